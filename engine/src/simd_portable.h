// Vectors in plain C++, for any machine. simd_avx2.h and simd_avx512.h have the same names:
//
//   LANES          floats in a vector F; integers in a vector I
//   VECTORS        vectors of a tile, whose sums fit the registers
//   ROWS           its rows; INT8_ROWS with int8 products
//   first          the first n lanes of a vector, and `fill` in the others
//   larger_size    the larger absolute value
//   clamp          to -most .. most
//   times_power    a * 2^n, n whole
//   split          fraction and power for 2^t = 2^fraction * 2^power, t up to 100: a fraction of 0
//                  to 1, a power that times_power takes; t below -126 may count as -126
//   to_integers    the nearest integers; a NaN gives any
//   store_bytes    the lowest byte of each integer; four vectors of them must be 0 .. 255
//   bytes_of       four integers of -128 .. 127 as the bytes of one, the first one lowest
//   transpose      rows and columns of LANES integers change places
//   dot4           sum + the products of four bytes each: a unsigned, b -63 .. 63
//   left_bytes     4 * LANES signed bytes as dot4 takes them for a: 128 added, unless SIGNED_LEFT
//   total          the sum of the integers
//   SIGNED_LEFT    whether dot4 takes a as signed instead; broadcast4 then subtracts 128
//
// Everything has internal linkage. Code that is compiled for an instruction set must not call inline
// functions of the standard library: the linker keeps one copy of these, for all machines.
#pragma once

#include <cstdint>
#include <cstring>

#define PQ_INLINE static inline
#define PQ_ALWAYS

namespace {

constexpr int LANES = 8, VECTORS = 2, ROWS = 4, INT8_ROWS = 4;
constexpr bool SIGNED_LEFT = false;
struct F {
  float v[LANES];
};
struct I {
  int32_t v[LANES];
};

template <class Do>
PQ_INLINE F lanes(const Do& f) {
  F r;
  for (int i = 0; i < LANES; i++) r.v[i] = f(i);
  return r;
}
PQ_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
PQ_INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// Adding 1.5 * 2^23 leaves no bits for a fraction: it rounds to the nearest integer, which the
// lowest bits then hold. For |x| up to 2^22.
constexpr float ROUNDER = 12582912.f;

PQ_INLINE F load(const float* p) {
  return lanes([&](int i) { return p[i]; });
}
PQ_INLINE void store(float* p, const F& x) { memcpy(p, x.v, sizeof x.v); }
PQ_INLINE F all(float x) {
  return lanes([&](int) { return x; });
}
PQ_INLINE F add(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] + b.v[i]; });
}
PQ_INLINE F sub(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] - b.v[i]; });
}
PQ_INLINE F mul(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] * b.v[i]; });
}
PQ_INLINE F div(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] / b.v[i]; });
}
PQ_INLINE F fma(const F& a, const F& b, const F& c) {
  return lanes([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
PQ_INLINE F max(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
PQ_INLINE F min(const F& a, const F& b) {
  return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
PQ_INLINE F abs(const F& a) {
  return lanes([&](int i) { return a.v[i] < 0 ? -a.v[i] : a.v[i]; });
}
PQ_INLINE F larger_size(const F& a, const F& b) { return max(abs(a), abs(b)); }
PQ_INLINE F clamp(const F& a, float most) { return min(max(a, all(-most)), all(most)); }
PQ_INLINE F nearest(const F& a) {
  return lanes([&](int i) { return (a.v[i] + ROUNDER) - ROUNDER; });
}
PQ_INLINE F times_power(const F& a, const F& n) {
  return lanes([&](int i) {
    return a.v[i] * float_of((bits_of(n.v[i] + ROUNDER) - bits_of(ROUNDER) + 127) << 23);
  });
}
PQ_INLINE F split(F t, F& power) {
  t = max(t, all(-126.f));
  power = nearest(sub(t, all(.5f)));
  return sub(t, power);
}
PQ_INLINE float sum(const F& a) {
  float s = 0;
  for (float x : a.v) s += x;
  return s;
}
PQ_INLINE float largest(const F& a) {
  float s = a.v[0];
  for (float x : a.v) s = s > x ? s : x;
  return s;
}
PQ_INLINE F first(const F& a, int n, float fill) {
  return lanes([&](int i) { return i < n ? a.v[i] : fill; });
}

template <class Do>
PQ_INLINE I integers(const Do& f) {
  I r;
  for (int i = 0; i < LANES; i++) r.v[i] = f(i);
  return r;
}
PQ_INLINE I load_integers(const void* p) {
  I r;
  memcpy(r.v, p, sizeof r.v);
  return r;
}
PQ_INLINE I broadcast4(const uint8_t* p) {
  int32_t four;
  memcpy(&four, p, 4);
  I r;
  for (int32_t& x : r.v) x = four;
  return r;
}
PQ_INLINE void store_integers(void* p, const I& a) { memcpy(p, a.v, sizeof a.v); }
PQ_INLINE void store_bytes(uint8_t* p, const I& a) {
  for (int i = 0; i < LANES; i++) p[i] = uint8_t(a.v[i]);
}
PQ_INLINE void store_bytes(uint8_t* p, const I& a, const I& b, const I& c, const I& d) {
  store_bytes(p, a);
  store_bytes(p + LANES, b);
  store_bytes(p + 2 * LANES, c);
  store_bytes(p + 3 * LANES, d);
}
PQ_INLINE I all_integers(int32_t x) {
  return integers([&](int) { return x; });
}
PQ_INLINE I minus(const I& a, const I& b) {
  return integers([&](int i) { return a.v[i] - b.v[i]; });
}
template <int n>
PQ_INLINE I shift_left(const I& a) {
  return integers([&](int i) { return int32_t(uint32_t(a.v[i]) << n); });
}
PQ_INLINE I bytes_of(const I& a, const I& b, const I& c, const I& d) {
  return integers([&](int i) {
    return int32_t((a.v[i] & 0xffu) | (b.v[i] & 0xffu) << 8 | (c.v[i] & 0xffu) << 16 |
                   (d.v[i] & 0xffu) << 24);
  });
}
PQ_INLINE void transpose(I (&r)[LANES]) {
  for (int i = 0; i < LANES; i++)
    for (int j = 0; j < i; j++) {
      const int32_t x = r[i].v[j];
      r[i].v[j] = r[j].v[i];
      r[j].v[i] = x;
    }
}
PQ_INLINE I left_bytes(const int8_t* p) {
  const I bytes = load_integers(p);
  return integers([&](int i) { return int32_t(uint32_t(bytes.v[i]) ^ 0x80808080u); });
}
PQ_INLINE int32_t total(const I& a) {
  int32_t s = 0;
  for (int32_t x : a.v) s += x;
  return s;
}
PQ_INLINE I to_integers(const F& a) {
  return integers([&](int i) { return int32_t(bits_of(a.v[i] + ROUNDER) - bits_of(ROUNDER)); });
}
PQ_INLINE F to_float(const I& a) {
  return lanes([&](int i) { return float(a.v[i]); });
}
PQ_INLINE I dot4(I sum, const I& a, const I& b) {
  uint8_t x[4 * LANES];
  int8_t y[4 * LANES];
  memcpy(x, a.v, sizeof x);
  memcpy(y, b.v, sizeof y);
  for (int i = 0; i < LANES; i++)
    for (int j = 0; j < 4; j++) sum.v[i] += x[4 * i + j] * y[4 * i + j];
  return sum;
}

}  // namespace
