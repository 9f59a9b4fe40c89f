// All kernels, written on the vectors that an instruction set defines (see simd_portable.h). Included
// once by each kernels_*.cpp, after its vectors.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels.h"

#if defined(PQ_UNROLL)  // given by the build
#elif defined(__clang__)
#define PQ_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define PQ_UNROLL _Pragma("GCC unroll 32")
#else
#define PQ_UNROLL
#endif

namespace {

using pq::AttentionShape;
using pq::Codes;
using pq::Epilogue;
using pq::NormWeights;
using pq::Packed;
using pq::padded;

constexpr int PANEL = LANES * VECTORS;
constexpr float SMALLEST = 1e-12f;  // a row of zeros must not divide by zero

// ---- functions of one vector ----

// 2^t for t <= 0, relative error 1e-7
PQ_INLINE F exp2_of(F t) {
  t = max(t, all(-126.f));
  F whole = nearest(t), x = sub(t, whole);
  F y = all(1.327645338e-03f);
  y = fma(y, x, all(9.675541186e-03f));
  y = fma(y, x, all(5.550713331e-02f));
  y = fma(y, x, all(2.402211973e-01f));
  y = fma(y, x, all(6.931469670e-01f));
  return times_power(fma(y, x, all(1.f)), whole);
}

// x / 2 (1 + erf(x / sqrt 2)) by a polynomial, fitted to |x| <= 4.2: error 1.5e-4 for |x| < 12, a
// hundredth of a step of the int8 codes that follow.
PQ_INLINE F gelu_fast(F x) {
  F c = min(max(x, all(-4.2f)), all(4.2f)), z = mul(c, c);
  F y = all(9.849576710e-11f);
  y = fma(y, z, all(-9.592762140e-09f));
  y = fma(y, z, all(4.145393291e-07f));
  y = fma(y, z, all(-1.057984991e-05f));
  y = fma(y, z, all(1.796786528e-04f));
  y = fma(y, z, all(-2.172954613e-03f));
  y = fma(y, z, all(1.948198862e-02f));
  y = fma(y, z, all(-1.324443072e-01f));
  y = fma(y, z, all(7.976692319e-01f));
  F half = mul(x, all(.5f));
  return fma(half, mul(y, c), half);
}

// The same with erf by Abramowitz and Stegun, 7.1.26: error 2e-7
PQ_INLINE F gelu_exact(F x) {
  F u = mul(abs(x), all(0.70710678f));
  F t = div(all(1.f), fma(u, all(0.3275911f), all(1.f)));
  F y = all(1.061405429f);
  y = fma(y, t, all(-1.453152027f));
  y = fma(y, t, all(1.421413741f));
  y = fma(y, t, all(-0.284496736f));
  y = mul(fma(y, t, all(0.254829592f)), t);
  // erfc(u) = y exp(-u^2); gelu(x) = max(x, 0) - |x| / 2 erfc(u)
  F complement = mul(y, exp2_of(mul(mul(u, u), all(-1.44269504f))));
  return sub(max(x, all(0.f)), mul(mul(abs(x), all(.5f)), complement));
}

// x / 2 (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
PQ_INLINE F gelu_tanh(F x) {
  F u = mul(mul(x, fma(mul(x, x), all(0.044715f), all(1.f))), all(0.79788456f));
  F e = exp2_of(mul(abs(u), all(-2.88539008f)));  // exp(-2 |u|)
  F share = div(all(1.f), add(all(1.f), e));      // of |x|; for negative x its complement
  return sub(max(x, all(0.f)), mul(abs(x), sub(all(1.f), share)));
}

// ---- tiles of matrix products: a few rows by VECTORS vectors of columns, in registers ----

// An operand of the right-hand side has LANES columns a vector, and for each column one element:
struct Quad {  // four int8 of a column
  static constexpr int DEPTH = 4;
  using Left = uint8_t;
  using Right = int8_t;  // four a column
  using Sum = I;
  static constexpr int RIGHT_STEP = 4;
  PQ_INLINE I left(const uint8_t* p) { return broadcast4(p); }
  PQ_INLINE I right(const int8_t* p) { return load_integers(p); }
  PQ_INLINE I dot(I sum, I a, I b) { return dot4(sum, a, b); }
};

struct Single {  // a float
  static constexpr int DEPTH = 1;
  using Left = float;
  using Right = float;
  using Sum = F;
  static constexpr int RIGHT_STEP = 1;
  PQ_INLINE F left(const float* p) { return all(*p); }
  PQ_INLINE F right(const float* p) { return load(p); }
  PQ_INLINE F dot(F sum, F a, F b) { return fma(a, b, sum); }
};

// sums[MR][NV] += left (MR, depth) right (depth / DEPTH, NV * LANES columns)
template <class E, int MR, int NV>
PQ_INLINE void multiply(const typename E::Left* left, size_t left_stride,
                        const typename E::Right* right, size_t right_stride, int depth,
                        typename E::Sum (&sums)[MR][NV]) {
  for (int k = 0; k < depth; k += E::DEPTH, right += right_stride) {
    decltype(E::right(right)) b[NV];
    PQ_UNROLL
    for (int j = 0; j < NV; j++) b[j] = E::right(right + j * LANES * E::RIGHT_STEP);
    PQ_UNROLL
    for (int i = 0; i < MR; i++) {
      auto a = E::left(left + i * left_stride + k);
      PQ_UNROLL
      for (int j = 0; j < NV; j++) sums[i][j] = E::dot(sums[i][j], a, b[j]);
    }
  }
}

template <int MR, int NV>
PQ_INLINE void clear(F (&sums)[MR][NV]) {
  PQ_UNROLL
  for (int i = 0; i < MR; i++) {
    PQ_UNROLL
    for (int j = 0; j < NV; j++) sums[i][j] = all(0.f);
  }
}

// Calls body(Size<n>(), row) for tiles of N rows, and once for the fewer rows that are left.
template <int N>
struct Size {
  static constexpr int value = N;
};
template <int N, class Body>
PQ_INLINE void last_rows(int rows, int row, const Body& body) {
  if (rows - row == N) return body(Size<N>(), row);
  if constexpr (N > 1) last_rows<N - 1>(rows, row, body);
}
template <int N, class Body>
PQ_INLINE void for_tiles(int rows, const Body& body) {
  int row = 0;
  for (; row + N <= rows; row += N) body(Size<N>(), row);
  if constexpr (N > 1) last_rows<N - 1>(rows, row, body);
}
// The same for columns, in vectors.
template <class Body>
PQ_INLINE void for_columns(int vectors, const Body& body) {
  int at = 0;
  for (; at + VECTORS <= vectors; at += VECTORS) body(Size<VECTORS>(), at * LANES);
  if constexpr (VECTORS > 1) {
    if (vectors - at == VECTORS - 1) return body(Size<VECTORS - 1>(), at * LANES);
    if constexpr (VECTORS > 2) {
      if (vectors - at == VECTORS - 2) return body(Size<VECTORS - 2>(), at * LANES);
      if constexpr (VECTORS > 3)
        if (vectors - at == VECTORS - 3) return body(Size<VECTORS - 3>(), at * LANES);
    }
  }
}
static_assert(ROWS <= 6 && VECTORS <= 4, "AttentionShape::scratch and for_columns count on it");

// ---- linear layers ----

#if defined(PQ_BF16)
using Stored = uint16_t;  // what Epilogue::attention stores
PQ_INLINE void store_rounded(uint16_t* p, F x) {
  _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh(x));
}
#else
using Stored = float;
PQ_INLINE void store_rounded(float* p, F x) { store(p, to_bf16(x)); }
#endif

template <Epilogue epilogue, bool exact>
PQ_INLINE void finish(F y, void* out, size_t at) {
  float* p = (float*)out + at;
  if constexpr (epilogue == Epilogue::store) store(p, y);
  if constexpr (epilogue == Epilogue::attention) store_rounded((Stored*)out + at, y);
  if constexpr (epilogue == Epilogue::gelu) store(p, exact ? gelu_exact(y) : gelu_fast(y));
  if constexpr (epilogue == Epilogue::gelu_new) store(p, gelu_tanh(y));
  if constexpr (epilogue == Epilogue::relu) store(p, max(y, all(0.f)));
  if constexpr (epilogue == Epilogue::residual) store(p, add(y, load(p)));
}

template <Epilogue epilogue>
void int8_product(const Codes& x, int rows, const Packed& weight, void* out, size_t out_stride) {
  for (int n = 0; n < weight.out; n += PANEL) {
    const int8_t* panel = weight.codes + (size_t)n * weight.in;
    for_tiles<INT8_ROWS>(rows, [&](auto size, int row) {
      constexpr int MR = decltype(size)::value;
      I sums[MR][VECTORS];
      PQ_UNROLL
      for (int j = 0; j < VECTORS; j++) {
        I offset = load_integers(weight.offsets + n + j * LANES);
        PQ_UNROLL
        for (int i = 0; i < MR; i++) sums[i][j] = offset;
      }
      multiply<Quad, MR, VECTORS>(x.codes + (size_t)row * weight.in, weight.in, panel, 4 * PANEL,
                                  weight.in, sums);
      PQ_UNROLL
      for (int j = 0; j < VECTORS; j++) {
        const int column = n + j * LANES;
        F scale = load(weight.scales + column), bias = load(weight.bias + column);
        PQ_UNROLL
        for (int i = 0; i < MR; i++) {
          F y = fma(mul(to_float(sums[i][j]), scale), all(x.scales[row + i]), bias);
          finish<epilogue, false>(y, out, (row + i) * out_stride + column);
        }
      }
    });
  }
}

template <Epilogue epilogue>
void fp32_product(const float* x, int rows, const Packed& weight, float* out, size_t out_stride) {
  for (int n = 0; n < weight.out; n += PANEL) {
    const float* panel = weight.values + (size_t)n * weight.in;
    for_tiles<ROWS>(rows, [&](auto size, int row) {
      constexpr int MR = decltype(size)::value;
      F sums[MR][VECTORS];
      PQ_UNROLL
      for (int i = 0; i < MR; i++) {
        PQ_UNROLL
        for (int j = 0; j < VECTORS; j++) sums[i][j] = load(weight.bias + n + j * LANES);
      }
      multiply<Single, MR, VECTORS>(x + (size_t)row * weight.in, weight.in, panel, PANEL, weight.in,
                                    sums);
      PQ_UNROLL
      for (int i = 0; i < MR; i++) {
        PQ_UNROLL
        for (int j = 0; j < VECTORS; j++)
          finish<epilogue, true>(sums[i][j], out, (row + i) * out_stride + n + j * LANES);
      }
    });
  }
}

void linear_int8(const Codes& x, int rows, const Packed& weight, Epilogue epilogue, void* out,
                 size_t stride) {
  switch (epilogue) {
    case Epilogue::store: return int8_product<Epilogue::store>(x, rows, weight, out, stride);
    case Epilogue::attention: return int8_product<Epilogue::attention>(x, rows, weight, out, stride);
    case Epilogue::gelu: return int8_product<Epilogue::gelu>(x, rows, weight, out, stride);
    case Epilogue::gelu_new: return int8_product<Epilogue::gelu_new>(x, rows, weight, out, stride);
    case Epilogue::relu: return int8_product<Epilogue::relu>(x, rows, weight, out, stride);
    case Epilogue::residual: return int8_product<Epilogue::residual>(x, rows, weight, out, stride);
  }
}

void linear_fp32(const float* x, int rows, const Packed& weight, Epilogue epilogue, float* out,
                 size_t stride) {
  switch (epilogue) {
    case Epilogue::store:
    case Epilogue::attention: return fp32_product<Epilogue::store>(x, rows, weight, out, stride);
    case Epilogue::gelu: return fp32_product<Epilogue::gelu>(x, rows, weight, out, stride);
    case Epilogue::gelu_new: return fp32_product<Epilogue::gelu_new>(x, rows, weight, out, stride);
    case Epilogue::relu: return fp32_product<Epilogue::relu>(x, rows, weight, out, stride);
    case Epilogue::residual: return fp32_product<Epilogue::residual>(x, rows, weight, out, stride);
  }
}

// ---- rows ----

PQ_INLINE float quantise_row(const float* x, int width, F most, uint8_t* codes) {
  float scale = largest(most);
  if (!(scale > SMALLEST)) scale = SMALLEST;
  F inverse = all(127.f / scale);
  for (int i = 0; i < width; i += LANES) store_codes(codes + i, mul(load(x + i), inverse));
  return scale * (1 / 127.f);
}

void quantise(const float* x, int rows, int width, Codes out) {
  const int all_columns = padded(width);
  for (int row = 0; row < rows; row++, x += all_columns) {
    F most = all(0.f);
    for (int i = 0; i < all_columns; i += LANES) most = max(abs(load(x + i)), most);
    out.scales[row] = quantise_row(x, all_columns, most, out.codes + (size_t)row * all_columns);
  }
}

void norm(float* x, int rows, const NormWeights& weights, const Codes* out) {
  const int all_columns = padded(weights.width);
  const int whole = weights.width / LANES * LANES;  // the vectors after it hold padding
  const float share = 1.f / (float)weights.width;
  for (int row = 0; row < rows; row++, x += all_columns) {
    F total = all(0.f);
    for (int i = 0; i < all_columns; i += LANES) total = add(total, load(x + i));
    F mean = all(sum(total) * share), squares = all(0.f);
    for (int i = 0; i < whole; i += LANES) {
      F y = sub(load(x + i), mean);
      squares = fma(y, y, squares);
    }
    if (whole < weights.width) {
      F y = first(sub(load(x + whole), mean), weights.width - whole, 0.f);
      squares = fma(y, y, squares);
    }
    F inverse = all(1.f / sqrtf(sum(squares) * share + weights.epsilon)), most = all(0.f);
    for (int i = 0; i < all_columns; i += LANES) {
      F y = fma(mul(sub(load(x + i), mean), inverse), load(weights.gain + i), load(weights.bias + i));
      store(x + i, y);
      most = max(abs(y), most);
    }
    if (out)
      out->scales[row] = quantise_row(x, all_columns, most, out->codes + (size_t)row * all_columns);
  }
}

void head(const float* x, int rows, int width, const float* weight, const float* bias, float* start,
          float* end) {
  const int all_columns = padded(width);
  for (int row = 0; row < rows; row++, x += all_columns) {
    F first = all(0.f), second = all(0.f);
    for (int i = 0; i < all_columns; i += LANES) {
      first = fma(load(x + i), load(weight + i), first);
      second = fma(load(x + i), load(weight + all_columns + i), second);
    }
    start[row] = sum(first) + bias[0];
    end[row] = sum(second) + bias[1];
  }
}

// ---- attention ----

// How queries, keys, values and softmax weights are held: floats, or (in bf16) pairs of a column.
struct Floats : Single {
  using Element = float;
  // keys (d, columns), for columns = tokens rounded up; values stay where they are
  PQ_INLINE void pack_keys(const float* keys, size_t stride, int d, int tokens, int columns,
                           float* out) {
    for (int t = 0; t < tokens; t++)
      for (int i = 0; i < d; i++) out[(size_t)i * columns + t] = keys[t * stride + i];
    for (int i = 0; i < d; i++)
      for (int t = tokens; t < columns; t++) out[(size_t)i * columns + t] = 0.f;
  }
  PQ_INLINE const float* pack_values(const float* values, size_t, int, int, float*) {
    return values;
  }
  PQ_INLINE size_t value_stride(size_t stride, int) { return stride; }
  PQ_INLINE int depth(int tokens) { return tokens; }
};
struct Exact : Floats {
  PQ_INLINE void put(float* p, F x) { store(p, x); }
};

#if defined(PQ_BF16)
struct Rounded {
  static constexpr int DEPTH = 2;
  using Left = uint16_t;
  using Right = uint32_t;
  using Sum = F;
  using Element = uint16_t;
  static constexpr int RIGHT_STEP = 1;
  PQ_INLINE __m512bh left(const uint16_t* p) {
    int32_t two;
    __builtin_memcpy(&two, p, 4);
    return (__m512bh)_mm512_set1_epi32(two);
  }
  PQ_INLINE __m512bh right(const uint32_t* p) { return (__m512bh)_mm512_loadu_si512(p); }
  PQ_INLINE F dot(F sum, __m512bh a, __m512bh b) { return _mm512_dpbf16_ps(sum, a, b); }
  PQ_INLINE void put(uint16_t* p, F x) { store_rounded(p, x); }

  // (d / 2, columns) pairs from rows of d / 2 pairs: 16 x 16 pairs are transposed in registers
  PQ_INLINE void pack_keys(const uint16_t* keys, size_t stride, int d, int, int columns,
                           uint32_t* out) {
    for (int t = 0; t < columns; t += 16)
      for (int i = 0; i < d / 2; i += 16) {
        const int pairs = d / 2 - i < 16 ? d / 2 - i : 16;
        const __mmask16 mask = (__mmask16)((1u << pairs) - 1);
        I r[16], s[16];
        PQ_UNROLL
        for (int k = 0; k < 16; k++)
          r[k] = _mm512_maskz_loadu_epi32(mask, keys + (t + k) * stride + 2 * i);
        PQ_UNROLL
        for (int k = 0; k < 16; k += 2) {
          s[k] = _mm512_unpacklo_epi32(r[k], r[k + 1]);
          s[k + 1] = _mm512_unpackhi_epi32(r[k], r[k + 1]);
        }
        PQ_UNROLL
        for (int k = 0; k < 16; k += 4) {
          r[k] = _mm512_unpacklo_epi64(s[k], s[k + 2]);
          r[k + 1] = _mm512_unpackhi_epi64(s[k], s[k + 2]);
          r[k + 2] = _mm512_unpacklo_epi64(s[k + 1], s[k + 3]);
          r[k + 3] = _mm512_unpackhi_epi64(s[k + 1], s[k + 3]);
        }
        PQ_UNROLL
        for (int k = 0; k < 4; k++) {
          s[k] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0x88);
          s[k + 4] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0xdd);
          s[k + 8] = _mm512_shuffle_i32x4(r[k + 8], r[k + 12], 0x88);
          s[k + 12] = _mm512_shuffle_i32x4(r[k + 8], r[k + 12], 0xdd);
        }
        uint32_t* to = out + (size_t)i * columns + t;
        PQ_UNROLL
        for (int k = 0; k < 8; k++) {
          _mm512_storeu_si512(to + (size_t)k * columns, _mm512_shuffle_i32x4(s[k], s[k + 8], 0x88));
          if (k + 8 < pairs)
            _mm512_storeu_si512(to + (size_t)(k + 8) * columns,
                                _mm512_shuffle_i32x4(s[k], s[k + 8], 0xdd));
        }
      }
  }
  // (columns / 2, d) pairs of two tokens
  PQ_INLINE const uint32_t* pack_values(const uint16_t* values, size_t stride, int d, int columns,
                                        uint32_t* out) {
    for (int t = 0; t < columns; t += 2)
      for (int i = 0; i < d; i += 16) {
        const uint16_t* p = values + t * stride + i;
        I low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
        I high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)(p + stride)));
        _mm512_storeu_si512(out + (size_t)t / 2 * d + i,
                            _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
      }
    return out;
  }
  PQ_INLINE size_t value_stride(size_t, int d) { return d; }
  PQ_INLINE int depth(int tokens) { return (tokens + 1) / 2 * 2; }
};
#else
struct Rounded : Floats {
  PQ_INLINE void put(float* p, F x) { store(p, to_bf16(x)); }
};
#endif

// MR queries: 2^(scores - largest) into `weights`, one divided by their sum into `inverse`.
template <class E, int MR>
PQ_INLINE void softmax(const float* scores, int tokens, int columns, typename E::Left* weights,
                       float* inverse) {
  const int last = columns - LANES, rest = tokens - last;  // 1 .. LANES tokens in the last vector
  for (int i = 0; i < MR; i++, scores += columns, weights += columns) {
    F tail = first(load(scores + last), rest, -1e30f), most = tail;
    for (int t = 0; t < last; t += LANES) most = max(load(scores + t), most);
    F top = all(largest(most)), total = all(0.f);
    for (int t = 0; t < last; t += LANES) {
      F y = exp2_of(sub(load(scores + t), top));
      total = add(total, y);
      E::put(weights + t, y);
    }
    tail = first(exp2_of(sub(tail, top)), rest, 0.f);
    E::put(weights + last, tail);
    inverse[i] = 1.f / sum(add(total, tail));
  }
}

template <class E>
void attend(typename E::Element* qkv, const AttentionShape& shape, float* out, void* scratch) {
  const int d = shape.head_width, tokens = shape.tokens, all_heads = d * shape.heads;
  const int columns = (tokens + LANES - 1) / LANES * LANES;
  for (int t = tokens; t < shape.rows(); t++)
    memset((void*)(qkv + t * shape.in_stride), 0, shape.in_stride * sizeof *qkv);
  auto* keys = (typename E::Right*)scratch;  // at most 4 bytes an element, as all of the scratch
  auto* packed = keys + (size_t)columns * d;
  float* scores = (float*)(packed + (size_t)columns * d);
  auto* weights = (typename E::Left*)(scores + (size_t)ROWS * columns);
  for (int h = 0; h < shape.heads; h++) {
    const auto* q = qkv + h * d;
    E::pack_keys(q + all_heads, shape.in_stride, d, tokens, columns, keys);
    const auto* values = E::pack_values(q + 2 * all_heads, shape.in_stride, d, columns, packed);
    const size_t value_stride = E::value_stride(shape.in_stride, d);
    for_tiles<ROWS>(tokens, [&](auto rows, int row) {
      constexpr int MR = decltype(rows)::value;
      for_columns(columns / LANES, [&](auto size, int column) {
        constexpr int NV = decltype(size)::value;
        F sums[MR][NV];
        clear(sums);
        multiply<E, MR, NV>(q + row * shape.in_stride, shape.in_stride, keys + column, columns, d,
                            sums);
        PQ_UNROLL
        for (int i = 0; i < MR; i++) {
          PQ_UNROLL
          for (int j = 0; j < NV; j++)
            store(scores + (size_t)i * columns + column + j * LANES, sums[i][j]);
        }
      });
      float inverse[MR];
      softmax<E, MR>(scores, tokens, columns, weights, inverse);
      for_columns(d / LANES, [&](auto size, int column) {
        constexpr int NV = decltype(size)::value;
        F sums[MR][NV];
        clear(sums);
        multiply<E, MR, NV>(weights, columns, values + column, value_stride, E::depth(tokens), sums);
        PQ_UNROLL
        for (int i = 0; i < MR; i++) {
          PQ_UNROLL
          for (int j = 0; j < NV; j++)
            store(out + (row + i) * shape.out_stride + h * d + column + j * LANES,
                  mul(sums[i][j], all(inverse[i])));
        }
      });
    });
  }
}

void attention(void* qkv, const AttentionShape& shape, float* out, void* scratch) {
  attend<Rounded>((Stored*)qkv, shape, out, scratch);
}

void attention_fp32(float* qkv, const AttentionShape& shape, float* out, void* scratch) {
  attend<Exact>(qkv, shape, out, scratch);
}

constexpr pq::Kernels table(const char* name) {
  return {name,     PANEL, linear_int8, linear_fp32,   quantise,
          norm,     attention, attention_fp32, head};
}

}  // namespace
