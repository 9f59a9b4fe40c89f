// Vectors of AVX2 with FMA, and with PQ_AVXVNNI its products of int8: see simd_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define PQ_INLINE static inline __attribute__((always_inline))
#define PQ_ALWAYS __attribute__((always_inline))

namespace {

constexpr int LANES = 8, VECTORS = 2, ROWS = 6;
#if defined(PQ_AVXVNNI)
constexpr int INT8_ROWS = 6;
#else
constexpr int INT8_ROWS = 4;  // dot4 needs registers of its own
#endif
constexpr bool SIGNED_LEFT = false;
using F = __m256;
using I = __m256i;

PQ_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
PQ_INLINE void store(float* p, F x) { _mm256_storeu_ps(p, x); }
PQ_INLINE F all(float x) { return _mm256_set1_ps(x); }
PQ_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
PQ_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
PQ_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
PQ_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
PQ_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
PQ_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
PQ_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
PQ_INLINE F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), a); }
PQ_INLINE F larger_size(F a, F b) { return max(abs(a), b); }
PQ_INLINE F clamp(F a, float most) { return min(max(a, all(-most)), all(most)); }
PQ_INLINE F nearest(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
PQ_INLINE F times_power(F a, F n) {
  I power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
}
PQ_INLINE F split(F t, F& power) {
  t = max(t, all(-126.f));
  power = _mm256_floor_ps(t);
  return sub(t, power);
}
PQ_INLINE float sum(F a) {
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
PQ_INLINE float largest(F a) {
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
PQ_INLINE F first(F a, int n, float fill) {
  I lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  F mask = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes));
  return _mm256_blendv_ps(_mm256_set1_ps(fill), a, mask);
}

PQ_INLINE I load_integers(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
PQ_INLINE void store_integers(void* p, I a) { _mm256_storeu_si256((__m256i*)p, a); }
PQ_INLINE void store_bytes(uint8_t* p, I a) {
  I low = _mm256_and_si256(a, _mm256_set1_epi32(0xff));
  __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(halves, halves));
}
PQ_INLINE void store_bytes(uint8_t* p, I a, I b, I c, I d) {
  I bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  const I order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256((__m256i*)p, _mm256_permutevar8x32_epi32(bytes, order));
}
PQ_INLINE I all_integers(int32_t x) { return _mm256_set1_epi32(x); }
PQ_INLINE I minus(I a, I b) { return _mm256_sub_epi32(a, b); }
template <int n>
PQ_INLINE I shift_left(I a) {
  return _mm256_slli_epi32(a, n);
}
PQ_INLINE I bytes_of(I a, I b, I c, I d) {
  // of each four columns: the bytes of a, then those of b, c and d
  I bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order));
}
PQ_INLINE I left_bytes(const int8_t* p) {
  return _mm256_xor_si256(load_integers(p), _mm256_set1_epi8(-128));
}
PQ_INLINE int32_t total(I a) {
  __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0b01001110));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0b10110001)));
}
PQ_INLINE I to_integers(F a) { return _mm256_cvtps_epi32(a); }
PQ_INLINE F to_float(I a) { return _mm256_cvtepi32_ps(a); }
PQ_INLINE I dot4(I sum, I a, I b) {
#if defined(PQ_AVXVNNI) && defined(__GNUC__) && !defined(__clang__)
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));  // see simd_avx512.h
  return sum;
#elif defined(PQ_AVXVNNI)
  return _mm256_dpbusd_avx_epi32(sum, a, b);
#else
  // Pairs are added in 16 bits, which weights of 7 bits cannot overflow: 2 * 255 * 63 = 32,130.
  I pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}
PQ_INLINE void transpose(I (&r)[8]) {
  I s[8];
  for (int k = 0; k < 8; k += 2) {
    s[k] = _mm256_unpacklo_epi32(r[k], r[k + 1]);
    s[k + 1] = _mm256_unpackhi_epi32(r[k], r[k + 1]);
  }
  for (int k = 0; k < 8; k += 4) {
    r[k] = _mm256_unpacklo_epi64(s[k], s[k + 2]);
    r[k + 1] = _mm256_unpackhi_epi64(s[k], s[k + 2]);
    r[k + 2] = _mm256_unpacklo_epi64(s[k + 1], s[k + 3]);
    r[k + 3] = _mm256_unpackhi_epi64(s[k + 1], s[k + 3]);
  }
  for (int k = 0; k < 4; k++) {
    s[k] = _mm256_permute2x128_si256(r[k], r[k + 4], 0x20);
    s[k + 4] = _mm256_permute2x128_si256(r[k], r[k + 4], 0x31);
  }
  for (int k = 0; k < 8; k++) r[k] = s[k];
}

}  // namespace
