// All kernels, written on the vectors that an instruction set defines (see simd_portable.h).
// Included once by each kernels_*.cpp, after its vectors.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels.h"
#include "tiles.h"

namespace {

using pq::AttentionShape;
using pq::Codes;
using pq::Epilogue;
using pq::NormWeights;
using pq::Packed;
using pq::padded;

constexpr int PANEL = LANES * VECTORS;
constexpr float SMALLEST = 1e-12f;  // a row of zeros must not divide by zero

// ---- functions of vectors ----

// A sum or a largest value over `count` elements: step(i, so_far) takes LANES of them in. Four chains
// go side by side, since each of their steps waits for the one before.
template <class Step, class Join>
PQ_INLINE F fold(int count, const Step& step, const Join& join) {
  F parts[4] = {all(0.f), all(0.f), all(0.f), all(0.f)};
  int i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES) {
    PQ_UNROLL
    for (int j = 0; j < 4; j++) parts[j] = step(i + j * LANES, parts[j]);
  }
  for (; i < count; i += LANES) parts[0] = step(i, parts[0]);
  return join(join(parts[0], parts[1]), join(parts[2], parts[3]));
}

struct Plus {
  PQ_ALWAYS F operator()(F a, F b) const { return add(a, b); }
};
struct Larger {
  PQ_ALWAYS F operator()(F a, F b) const { return larger_size(a, b); }
};

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

// x (1 + erf(x / sqrt 2)) / 2 by a polynomial, fitted to |x| <= 4.2: error 1.5e-4 for |x| < 12, a
// hundredth of a step of the int8 codes that follow.
PQ_INLINE F gelu_fast(F x) {
  F c = clamp(x, 4.2f), z = mul(c, c);
  F y = all(4.924788355e-11f);
  y = fma(y, z, all(-4.796381070e-09f));
  y = fma(y, z, all(2.072696645e-07f));
  y = fma(y, z, all(-5.289924955e-06f));
  y = fma(y, z, all(8.983932640e-05f));
  y = fma(y, z, all(-1.086477307e-03f));
  y = fma(y, z, all(9.740994310e-03f));
  y = fma(y, z, all(-6.622215360e-02f));
  y = fma(y, z, all(3.988346160e-01f));
  return mul(x, fma(y, c, all(.5f)));
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

// ---- linear layers ----

template <Epilogue epilogue, bool exact>
PQ_INLINE void finish(F y, float* p) {
  if constexpr (epilogue == Epilogue::store) store(p, y);
  if constexpr (epilogue == Epilogue::gelu) store(p, exact ? gelu_exact(y) : gelu_fast(y));
  if constexpr (epilogue == Epilogue::gelu_new) store(p, gelu_tanh(y));
  if constexpr (epilogue == Epilogue::relu) store(p, max(y, all(0.f)));
  if constexpr (epilogue == Epilogue::residual) store(p, add(y, load(p)));
}

template <Epilogue epilogue>
struct FinishLinear {
  const float *x_scales, *scales, *bias;
  float* out;
  size_t out_stride;

  PQ_ALWAYS void operator()(int row, int column, I sums) const {
    F y = fma(mul(to_float(sums), load(scales + column)), all(x_scales[row]), load(bias + column));
    finish<epilogue, false>(y, out + row * out_stride + column);
  }
};

template <Epilogue epilogue>
void int8_product(const Codes& x, int rows, const Packed& weight, float* out, size_t out_stride) {
  [[maybe_unused]] Session session;
  for (int n = 0; n < weight.out; n += PANEL) {
    const Factors factors{x.codes, (size_t)weight.in, weight.codes + (size_t)n * weight.in, 4 * PANEL,
                          weight.in};
    const FinishLinear<epilogue> finish{x.scales, weight.scales + n, weight.bias + n, out + n,
                                        out_stride};
    product<VECTORS>(factors, rows, 0, weight.offsets + n, finish);
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
        float* to = out + (row + i) * out_stride + n;
        PQ_UNROLL
        for (int j = 0; j < VECTORS; j++) finish<epilogue, true>(sums[i][j], to + j * LANES);
      }
    });
  }
}

void linear_int8(const Codes& x, int rows, const Packed& weight, Epilogue epilogue, float* out,
                 size_t stride) {
  switch (epilogue) {
    case Epilogue::store: return int8_product<Epilogue::store>(x, rows, weight, out, stride);
    case Epilogue::gelu: return int8_product<Epilogue::gelu>(x, rows, weight, out, stride);
    case Epilogue::gelu_new: return int8_product<Epilogue::gelu_new>(x, rows, weight, out, stride);
    case Epilogue::relu: return int8_product<Epilogue::relu>(x, rows, weight, out, stride);
    case Epilogue::residual: return int8_product<Epilogue::residual>(x, rows, weight, out, stride);
  }
}

void linear_fp32(const float* x, int rows, const Packed& weight, Epilogue epilogue, float* out,
                 size_t stride) {
  switch (epilogue) {
    case Epilogue::store: return fp32_product<Epilogue::store>(x, rows, weight, out, stride);
    case Epilogue::gelu: return fp32_product<Epilogue::gelu>(x, rows, weight, out, stride);
    case Epilogue::gelu_new: return fp32_product<Epilogue::gelu_new>(x, rows, weight, out, stride);
    case Epilogue::relu: return fp32_product<Epilogue::relu>(x, rows, weight, out, stride);
    case Epilogue::residual: return fp32_product<Epilogue::residual>(x, rows, weight, out, stride);
  }
}

// ---- rows ----

// codes = 128 + round(x * factor)
PQ_INLINE void store_codes(const float* x, int width, float factor, uint8_t* codes) {
  const auto code = [x, by = all(factor), middle = all(128.f)](int i) PQ_ALWAYS {
    return to_integers(fma(load(x + i), by, middle));
  };
  int i = 0;
  for (; i + 4 * LANES <= width; i += 4 * LANES)
    store_bytes(codes + i, code(i), code(i + LANES), code(i + 2 * LANES), code(i + 3 * LANES));
  for (; i < width; i += LANES) store_bytes(codes + i, code(i));
}

// Codes of a row, whose largest absolute value is that of `most`. Returns the scale.
PQ_INLINE float quantise_row(const float* x, int width, F most, uint8_t* codes) {
  float size = largest(most);
  if (!(size > SMALLEST)) size = SMALLEST;
  store_codes(x, width, 127.f / size, codes);
  return size * (1 / 127.f);
}

void quantise(const float* x, int rows, int width, Codes out) {
  const int all_columns = padded(width);
  for (int row = 0; row < rows; row++, x += all_columns) {
    const F most = fold(
        all_columns, [=](int i, F so_far) PQ_ALWAYS { return larger_size(load(x + i), so_far); },
        Larger());
    out.scales[row] = quantise_row(x, all_columns, most, out.codes + (size_t)row * all_columns);
  }
}

// WIDTH: padded(weights.width) where the compiler is to know it, or 0.
template <int WIDTH>
void norm_rows(float* x, int rows, const NormWeights& weights, const Codes* out) {
  const int all_columns = WIDTH ? WIDTH : padded(weights.width);
  const int whole = weights.width / LANES * LANES;  // the vectors after it hold padding
  const float share = 1.f / (float)weights.width;
  for (int row = 0; row < rows; row++, x += all_columns) {
    const F total = fold(
        all_columns, [=](int i, F so_far) PQ_ALWAYS { return add(load(x + i), so_far); }, Plus());
    const F mean = all(sum(total) * share);
    F squares = fold(
        WIDTH ? WIDTH : whole,
        [=](int i, F so_far) PQ_ALWAYS {
          const F y = sub(load(x + i), mean);
          return fma(y, y, so_far);
        },
        Plus());
    if (!WIDTH && whole < weights.width) {
      F y = first(sub(load(x + whole), mean), weights.width - whole, 0.f);
      squares = fma(y, y, squares);
    }
    const F inverse = all(1.f / sqrtf(sum(squares) * share + weights.epsilon));
    const F most = fold(
        all_columns,
        [=](int i, F so_far) PQ_ALWAYS {
          const F y = fma(mul(sub(load(x + i), mean), inverse), load(weights.gain + i),
                          load(weights.bias + i));
          store(x + i, y);
          return larger_size(y, so_far);
        },
        Larger());
    if (out)
      out->scales[row] = quantise_row(x, all_columns, most, out->codes + (size_t)row * all_columns);
  }
}

void norm(float* x, int rows, const NormWeights& weights, const Codes* out) {
  switch (weights.width) {
    case 128: return norm_rows<128>(x, rows, weights, out);
    case 384: return norm_rows<384>(x, rows, weights, out);
    default: return norm_rows<0>(x, rows, weights, out);
  }
}

void dots(const int8_t* rows, int count, int width, const int8_t* codes, int32_t start,
          int32_t* sums) {
  constexpr int STEP = 4 * LANES;
  const int whole = width / STEP * STEP;
  for_tiles<4>(count, [&](auto size, int row) {
    constexpr int MR = decltype(size)::value;
    const int8_t* from = rows + (size_t)row * width;
    I totals[MR];
    PQ_UNROLL
    for (int i = 0; i < MR; i++) totals[i] = all_integers(0);
    for (int k = 0; k < whole; k += STEP) {
      const I right = load_integers(codes + k);
      PQ_UNROLL
      for (int i = 0; i < MR; i++)
        totals[i] = dot4(totals[i], left_bytes(from + (size_t)i * width + k), right);
    }
    PQ_UNROLL
    for (int i = 0; i < MR; i++) {
      if (whole < width) {
        int8_t last[STEP] = {};
        memcpy(last, from + (size_t)i * width + whole, width - whole);
        totals[i] = dot4(totals[i], left_bytes(last), load_integers(codes + whole));
      }
      sums[row + i] = start + total(totals[i]);
    }
  });
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

}  // namespace

#include "attention.h"

namespace {

constexpr pq::Kernels table(const char* name, double least_products = 2e7) {
  return {name,        PANEL,          SIGNED_LEFT ? 0 : 128, least_products,
          linear_int8, linear_fp32,    quantise,              norm,
          attention,   attention_fp32, dots,                  head};
}

}  // namespace
