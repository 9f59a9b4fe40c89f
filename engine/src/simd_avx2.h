// Vectors of AVX2 with FMA, and with PQ_AVXVNNI its products of int8: see simd_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define PQ_INLINE static inline __attribute__((always_inline))

namespace {

constexpr int LANES = 8, VECTORS = 2, ROWS = 6;
#if defined(PQ_AVXVNNI)
constexpr int INT8_ROWS = 6;
#else
constexpr int INT8_ROWS = 4;  // dot4 needs registers of its own
#endif
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
PQ_INLINE F nearest(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
PQ_INLINE F times_power(F a, F n) {
  I power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
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
PQ_INLINE F to_bf16(F a) {
  I bits = _mm256_castps_si256(a);
  I odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  return _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32((int)0xffff0000)));
}
PQ_INLINE void store_codes(uint8_t* p, F x) {
  I whole = _mm256_cvtps_epi32(x);
  __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  __m128i bytes = _mm_packs_epi16(halves, halves);
  _mm_storel_epi64((__m128i*)p, _mm_xor_si128(bytes, _mm_set1_epi8((char)0x80)));
}

PQ_INLINE I load_integers(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
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

}  // namespace
