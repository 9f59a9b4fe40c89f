// Vectors of NEON with products of int8 (dotprod, ARMv8.2): see simd_portable.h. Products of
// unsigned by signed bytes need i8mm, which many of these chips lack: left bytes become signed.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#define PQ_INLINE static inline __attribute__((always_inline))
#define PQ_ALWAYS __attribute__((always_inline))

namespace {

constexpr int LANES = 4, VECTORS = 4, ROWS = 6, INT8_ROWS = 6;
constexpr bool SIGNED_LEFT = true;
using F = float32x4_t;
using I = int32x4_t;

PQ_INLINE F load(const float* p) { return vld1q_f32(p); }
PQ_INLINE void store(float* p, F x) { vst1q_f32(p, x); }
PQ_INLINE F all(float x) { return vdupq_n_f32(x); }
PQ_INLINE F add(F a, F b) { return vaddq_f32(a, b); }
PQ_INLINE F sub(F a, F b) { return vsubq_f32(a, b); }
PQ_INLINE F mul(F a, F b) { return vmulq_f32(a, b); }
PQ_INLINE F div(F a, F b) { return vdivq_f32(a, b); }
PQ_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
PQ_INLINE F max(F a, F b) { return vmaxq_f32(a, b); }
PQ_INLINE F min(F a, F b) { return vminq_f32(a, b); }
PQ_INLINE F abs(F a) { return vabsq_f32(a); }
PQ_INLINE F larger_size(F a, F b) { return max(abs(a), abs(b)); }
PQ_INLINE F clamp(F a, float most) { return min(max(a, all(-most)), all(most)); }
PQ_INLINE F nearest(F a) { return vrndnq_f32(a); }
PQ_INLINE F times_power(F a, F n) {
  I power = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
  return mul(a, vreinterpretq_f32_s32(vshlq_n_s32(power, 23)));
}
PQ_INLINE F split(F t, F& power) {
  t = max(t, all(-126.f));
  power = vrndmq_f32(t);
  return sub(t, power);
}
PQ_INLINE float sum(F a) { return vaddvq_f32(a); }
PQ_INLINE float largest(F a) { return vmaxvq_f32(a); }
PQ_INLINE F first(F a, int n, float fill) {
  const int32_t lanes[4] = {0, 1, 2, 3};
  return vbslq_f32(vcltq_s32(vld1q_s32(lanes), vdupq_n_s32(n)), a, all(fill));
}

PQ_INLINE I load_integers(const void* p) {
  return vreinterpretq_s32_s8(vld1q_s8((const int8_t*)p));
}
PQ_INLINE void store_integers(void* p, I a) { vst1q_s8((int8_t*)p, vreinterpretq_s8_s32(a)); }
PQ_INLINE void store_bytes(uint8_t* p, I a) {
  int16x4_t halves = vmovn_s32(a);
  uint32_t four = vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(halves, halves))), 0);
  memcpy(p, &four, 4);
}
PQ_INLINE void store_bytes(uint8_t* p, I a, I b, I c, I d) {
  int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
  int16x8_t cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
  vst1q_s8((int8_t*)p, vcombine_s8(vmovn_s16(ab), vmovn_s16(cd)));
}
PQ_INLINE I all_integers(int32_t x) { return vdupq_n_s32(x); }
PQ_INLINE I minus(I a, I b) { return vsubq_s32(a, b); }
template <int n>
PQ_INLINE I shift_left(I a) {
  return vshlq_n_s32(a, n);
}
PQ_INLINE I bytes_of(I a, I b, I c, I d) {
  return vsliq_n_s32(vsliq_n_s32(vsliq_n_s32(a, b, 8), c, 16), d, 24);
}
PQ_INLINE void transpose(I (&r)[4]) {
  int64x2_t a = vreinterpretq_s64_s32(vtrn1q_s32(r[0], r[1]));
  int64x2_t b = vreinterpretq_s64_s32(vtrn2q_s32(r[0], r[1]));
  int64x2_t c = vreinterpretq_s64_s32(vtrn1q_s32(r[2], r[3]));
  int64x2_t d = vreinterpretq_s64_s32(vtrn2q_s32(r[2], r[3]));
  r[0] = vreinterpretq_s32_s64(vtrn1q_s64(a, c));
  r[1] = vreinterpretq_s32_s64(vtrn1q_s64(b, d));
  r[2] = vreinterpretq_s32_s64(vtrn2q_s64(a, c));
  r[3] = vreinterpretq_s32_s64(vtrn2q_s64(b, d));
}
PQ_INLINE I left_bytes(const int8_t* p) { return load_integers(p); }
PQ_INLINE int32_t total(I a) { return vaddvq_s32(a); }
PQ_INLINE I to_integers(F a) { return vcvtnq_s32_f32(a); }
PQ_INLINE F to_float(I a) { return vcvtq_f32_s32(a); }
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  memcpy(&four, p, 4);
  return veorq_s32(vdupq_n_s32(four), vdupq_n_s32((int32_t)0x80808080));
}
PQ_INLINE I dot4(I sum, I a, I b) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}

}  // namespace
