// Vectors of AVX-512 with VNNI: see simd_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define PQ_INLINE static inline __attribute__((always_inline))
#define PQ_ALWAYS __attribute__((always_inline))

namespace {

constexpr int LANES = 16, VECTORS = 4, ROWS = 6, INT8_ROWS = 6;
constexpr bool SIGNED_LEFT = false;
using F = __m512;
using I = __m512i;

PQ_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
PQ_INLINE void store(float* p, F x) { _mm512_storeu_ps(p, x); }
PQ_INLINE F all(float x) { return _mm512_set1_ps(x); }
PQ_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
PQ_INLINE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
PQ_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
PQ_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
PQ_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
PQ_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
PQ_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
PQ_INLINE F abs(F a) { return _mm512_abs_ps(a); }
PQ_INLINE F larger_size(F a, F b) { return _mm512_range_ps(a, b, 0b1011); }
PQ_INLINE F clamp(F a, float most) { return _mm512_range_ps(a, all(most), 0b0010); }
PQ_INLINE F nearest(F a) { return _mm512_roundscale_ps(a, 0); }
PQ_INLINE F times_power(F a, F n) { return _mm512_scalef_ps(a, n); }
PQ_INLINE F split(F t, F& power) {
  power = t;  // times_power rounds it down
  return _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF);
}
PQ_INLINE float sum(F a) { return _mm512_reduce_add_ps(a); }
PQ_INLINE float largest(F a) { return _mm512_reduce_max_ps(a); }
PQ_INLINE F first(F a, int n, float fill) {
  return _mm512_mask_blend_ps((__mmask16)((1u << n) - 1), _mm512_set1_ps(fill), a);
}

PQ_INLINE I load_integers(const void* p) { return _mm512_loadu_si512(p); }
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
PQ_INLINE void store_integers(void* p, I a) { _mm512_storeu_si512(p, a); }
PQ_INLINE void store_bytes(uint8_t* p, I a) {
  _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(a));
}
PQ_INLINE void store_bytes(uint8_t* p, I a, I b, I c, I d) {
  I bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, bytes));
}
PQ_INLINE I all_integers(int32_t x) { return _mm512_set1_epi32(x); }
PQ_INLINE I minus(I a, I b) { return _mm512_sub_epi32(a, b); }
template <int n>
PQ_INLINE I shift_left(I a) {
  return _mm512_slli_epi32(a, n);
}
PQ_INLINE I bytes_of(I a, I b, I c, I d) {
  // of each four columns: the bytes of a, then those of b, c and d
  I bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order));
}
PQ_INLINE I left_bytes(const int8_t* p) {
  return _mm512_xor_si512(load_integers(p), _mm512_set1_epi8(-128));
}
PQ_INLINE int32_t total(I a) { return _mm512_reduce_add_epi32(a); }
PQ_INLINE I to_integers(F a) { return _mm512_cvtps_epi32(a); }
PQ_INLINE F to_float(I a) { return _mm512_cvtepi32_ps(a); }
PQ_INLINE I dot4(I sum, I a, I b) {
#if defined(__GNUC__) && !defined(__clang__)
  // With the intrinsic, GCC 12 keeps a tile's sums in memory; it does not with assembly.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  return _mm512_dpbusd_epi32(sum, a, b);
#endif
}
PQ_INLINE void transpose(I (&r)[16]) {
  I s[16];
  for (int k = 0; k < 16; k += 2) {
    s[k] = _mm512_unpacklo_epi32(r[k], r[k + 1]);
    s[k + 1] = _mm512_unpackhi_epi32(r[k], r[k + 1]);
  }
  for (int k = 0; k < 16; k += 4) {
    r[k] = _mm512_unpacklo_epi64(s[k], s[k + 2]);
    r[k + 1] = _mm512_unpackhi_epi64(s[k], s[k + 2]);
    r[k + 2] = _mm512_unpacklo_epi64(s[k + 1], s[k + 3]);
    r[k + 3] = _mm512_unpackhi_epi64(s[k + 1], s[k + 3]);
  }
  for (int k = 0; k < 4; k++) {
    s[k] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0x88);
    s[k + 4] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0xdd);
    s[k + 8] = _mm512_shuffle_i32x4(r[k + 8], r[k + 12], 0x88);
    s[k + 12] = _mm512_shuffle_i32x4(r[k + 8], r[k + 12], 0xdd);
  }
  for (int k = 0; k < 8; k++) {
    r[k] = _mm512_shuffle_i32x4(s[k], s[k + 8], 0x88);
    r[k + 8] = _mm512_shuffle_i32x4(s[k], s[k + 8], 0xdd);
  }
}

}  // namespace
