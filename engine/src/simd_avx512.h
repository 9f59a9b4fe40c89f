// Vectors of AVX-512 with VNNI, and with PQ_BF16 its products of bf16: see simd_portable.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define PQ_INLINE static inline __attribute__((always_inline))

namespace {

constexpr int LANES = 16, VECTORS = 4, ROWS = 6, INT8_ROWS = 6;
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
PQ_INLINE F nearest(F a) { return _mm512_roundscale_ps(a, 0); }
PQ_INLINE F times_power(F a, F n) { return _mm512_scalef_ps(a, n); }
PQ_INLINE float sum(F a) { return _mm512_reduce_add_ps(a); }
PQ_INLINE float largest(F a) { return _mm512_reduce_max_ps(a); }
PQ_INLINE F first(F a, int n, float fill) {
  return _mm512_mask_blend_ps((__mmask16)((1u << n) - 1), _mm512_set1_ps(fill), a);
}
PQ_INLINE F to_bf16(F a) {
  I bits = _mm512_castps_si512(a);
  I odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  bits = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000)));
}
PQ_INLINE void store_codes(uint8_t* p, F x) {
  __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x));
  _mm_storeu_si128((__m128i*)p, _mm_xor_si128(bytes, _mm_set1_epi8((char)0x80)));
}

PQ_INLINE I load_integers(const void* p) { return _mm512_loadu_si512(p); }
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
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

}  // namespace
