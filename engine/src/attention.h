// Attention: softmax(q k^T) v of a head, in int8 and in fp32. Included by kernels_common.h.
//
// In int8, queries have 8 bits and a scale for each token, keys 7 bits and a scale for each token.
// Values have 7 bits, with a scale and a mean for each column: their distance from the column's
// mean over the window is rounded. Softmax weights have 8 bits: those below 1/510 of the largest become
// 0, but count in the sum that the result is divided by, so that the mean value takes their place.
// (Where they did not count, "no answer" scored 0.2 higher with `tiny`.) As in linear layers, the
// left factor of each product is unsigned and the right one has 7 bits, which makes the sums the
// same on every instruction set.
#pragma once

namespace {

// ---- int8 ----

constexpr float MOST_CODE = 63.f;                // of keys and values
constexpr float MOST_WEIGHT_LOG2 = 7.99435344f;  // of 255
constexpr float LEAST_SCORE = -3e38f;

// 2^t for t < 8, relative error 1e-4; t may be minus infinity
PQ_INLINE F rough_exp2_of(F t) {
  F power, x = split(t, power);
  F y = all(7.802410828e-02f);
  y = fma(y, x, all(2.260679013e-01f));
  y = fma(y, x, all(6.958331694e-01f));
  y = fma(y, x, all(9.999252639e-01f));
  return times_power(y, power);
}

// Where the parts lie in the caller's scratch. T: tokens, C: padded(T), d: width of a head.
struct Int8Scratch {
  uint8_t* queries;      // (T, d), and 64 bytes to read after it
  int8_t* keys;          // [depth / 4][C][4]
  int8_t* values;        // [C / 4][d][4]
  uint8_t* weights;      // (QUERY_ROWS, C)
  uint8_t* rows;         // (LANES, padded(d))
  float* query_scales;   // (T)
  float* key_scales;     // (C)
  float* key_bias;       // (C): 0, or LEAST_SCORE after the last token
  float* value_scales;   // (d)
  float* value_means;    // (d)
  float* scores;         // (QUERY_ROWS, C)
  int32_t* key_start;    // (C): as `product` wants it
  int32_t* value_start;  // (d)

  Int8Scratch(const AttentionShape& shape, void* memory) : next_((uint8_t*)memory) {
    const size_t c = padded(shape.tokens), d = shape.head_width, wide = padded(shape.head_width);
    take(queries, c * d + 64);
    take(keys, c * wide);
    take(values, c * d);
    take(weights, QUERY_ROWS * c);
    take(rows, LANES * wide);
    take(query_scales, c);
    take(key_scales, c);
    take(key_bias, c);
    take(value_scales, d);
    take(value_means, d);
    take(scores, QUERY_ROWS * c);
    take(key_start, c);
    take(value_start, d);
  }

 private:
  template <class T>
  void take(T*& start, size_t count) {
    start = (T*)next_;
    next_ += (count * sizeof(T) + 63) / 64 * 64;
  }
  uint8_t* next_;
};

// The largest absolute value of a row of d.
PQ_INLINE float size_of(const float* x, int d) {
  F most = all(SMALLEST);
  for (int i = 0; i < d; i += LANES) most = larger_size(load(x + i), most);
  return largest(most);
}

void pack_queries(const float* queries, const AttentionShape& shape, const Int8Scratch& to) {
  const int d = shape.head_width;
  for (int t = 0; t < shape.tokens; t++, queries += shape.in_stride) {
    const float size = size_of(queries, d);
    to.query_scales[t] = size * (1 / 127.f);
    store_codes(queries, d, 127.f / size, to.queries + (size_t)t * d);
  }
}

void pack_keys(const float* keys, const AttentionShape& shape, const Int8Scratch& to) {
  const int d = shape.head_width, tokens = shape.tokens, columns = padded(tokens), wide = padded(d);
  const int quads = (d + DEPTH_STEP - 1) / DEPTH_STEP * DEPTH_STEP / 4;
  memset(to.rows, 0, (size_t)LANES * wide);
  for (int t = 0; t < columns; t += LANES) {
    for (int k = 0; k < LANES; k++) {
      uint8_t* row = to.rows + (size_t)k * wide;
      if (t + k < tokens) {
        const float* x = keys + (t + k) * shape.in_stride;
        const float size = size_of(x, d);
        const F factor = all(MOST_CODE / size);
        for (int i = 0; i < d; i += LANES)
          store_bytes(row + i, to_integers(mul(load(x + i), factor)));
        to.key_scales[t + k] = size * (1 / MOST_CODE);
        to.key_bias[t + k] = 0.f;
      } else {
        memset(row, 0, d);
        to.key_scales[t + k] = 0.f;
        to.key_bias[t + k] = LEAST_SCORE;
      }
    }
    I total = all_integers(0);
    for (int i = 0; i < quads; i += LANES) {
      I r[LANES];
      PQ_UNROLL
      for (int k = 0; k < LANES; k++) r[k] = load_integers(to.rows + (size_t)k * wide + 4 * i);
      transpose(r);
      PQ_UNROLL
      for (int k = 0; k < LANES; k++) {
        total = dot4(total, all_integers(0x01010101), r[k]);
        if (i + k < quads) store_integers(to.keys + ((size_t)(i + k) * columns + t) * 4, r[k]);
      }
    }
    const I none = all_integers(0);  // a query's code of 128 stands for 0
    store_integers(to.key_start + t, SIGNED_LEFT ? none : minus(none, shift_left<7>(total)));
  }
}

void pack_values(const float* values, const AttentionShape& shape, const Int8Scratch& to) {
  const int d = shape.head_width, tokens = shape.tokens, columns = padded(tokens);
  const size_t stride = shape.in_stride;
  for (int i = 0; i < d; i += LANES) {
    const float* x = values + i;
    F least = load(x), most = least, total = all(0.f);
    int t = 0;
    for (; t + 4 <= tokens; t += 4) {  // together first: what the next four wait for is short
      F y[4];
      PQ_UNROLL
      for (int k = 0; k < 4; k++) y[k] = load(x + (t + k) * stride);
      least = min(min(min(y[0], y[1]), min(y[2], y[3])), least);
      most = max(max(max(y[0], y[1]), max(y[2], y[3])), most);
      total = add(add(add(y[0], y[1]), add(y[2], y[3])), total);
    }
    for (; t < tokens; t++) {
      const F y = load(x + t * stride);
      least = min(y, least);
      most = max(y, most);
      total = add(total, y);
    }
    F mean = mul(total, all(1.f / (float)tokens));
    F size = max(max(sub(most, mean), sub(mean, least)), all(SMALLEST));
    F factor = div(all(MOST_CODE), size), shift = mul(mean, sub(all(0.f), factor));
    store(to.value_scales + i, mul(size, all(1 / MOST_CODE)));
    store(to.value_means + i, mean);
    I sums = all_integers(0);
    for (int t = 0; t < columns; t += 4) {
      I r[4];
      PQ_UNROLL
      for (int k = 0; k < 4; k++)
        r[k] = t + k < tokens ? to_integers(fma(load(x + (t + k) * stride), factor, shift))
                                : all_integers(0);
      I quad = bytes_of(r[0], r[1], r[2], r[3]);
      sums = dot4(sums, all_integers(0x01010101), quad);
      store_integers(to.values + ((size_t)t * d + 4 * i), quad);
    }
    store_integers(to.value_start + i, SIGNED_LEFT ? shift_left<7>(sums) : all_integers(0));
  }
}

struct FinishScores {
  const float *key_scales, *key_bias;
  float* scores;
  int columns;

  PQ_ALWAYS void operator()(int row, int column, I sums) const {
    store(scores + (size_t)row * columns + column,
          fma(to_float(sums), load(key_scales + column), load(key_bias + column)));
  }
};

struct FinishAttended {
  const float *value_scales, *value_means, *inverse;
  float* out;
  size_t out_stride;

  PQ_ALWAYS void operator()(int row, int column, I sums) const {
    store(out + row * out_stride + column,
          fma(mul(to_float(sums), load(value_scales + column)), all(inverse[row]),
              load(value_means + column)));
  }
};

// 255 * 2^(scale * (score - largest)) into `weights`, for some queries; `inverse`: of their sums.
// What the next step of a row waits for is done for all rows first.
void softmax(const float* scores, const float* scales, int rows, int columns, int stride,
             uint8_t* weights, float* inverse) {
  float shifts[QUERY_ROWS];
  for (int i = 0; i < rows; i++) {
    const float* row = scores + (size_t)i * stride;
    F most = load(row);
    for (int t = LANES; t < columns; t += LANES) most = max(load(row + t), most);
    shifts[i] = MOST_WEIGHT_LOG2 - largest(most) * scales[i];
  }
  alignas(64) float totals[QUERY_ROWS * LANES];
  for (int i = 0; i < rows; i++) {
    const float* row = scores + (size_t)i * stride;
    uint8_t* to = weights + (size_t)i * stride;
    const F factor = all(scales[i]), shift = all(shifts[i]);
    F total = all(0.f);
    const auto weight = [=, &total](int t) PQ_ALWAYS {
      F y = rough_exp2_of(fma(load(row + t), factor, shift));
      total = add(total, y);
      return to_integers(y);
    };
    int t = 0;
    for (; t + 4 * LANES <= columns; t += 4 * LANES) {
      I a = weight(t), b = weight(t + LANES), c = weight(t + 2 * LANES), d = weight(t + 3 * LANES);
      store_bytes(to + t, a, b, c, d);
    }
    for (; t < columns; t += LANES) store_bytes(to + t, weight(t));
    store(totals + i * LANES, total);
  }
  for (int i = 0; i < rows; i++) inverse[i] = 1.f / sum(load(totals + i * LANES));
}

void attention(const float* qkv, const AttentionShape& shape, float* out, void* memory) {
  [[maybe_unused]] Session session;
  const Int8Scratch scratch(shape, memory);
  const int d = shape.head_width, tokens = shape.tokens, all_heads = d * shape.heads;
  const int columns = padded(tokens), used = (tokens + LANES - 1) / LANES * LANES;
  const int weights_depth = (tokens + DEPTH_STEP - 1) / DEPTH_STEP * DEPTH_STEP;
  memset(scratch.weights, 0, (size_t)QUERY_ROWS * columns);
  pack_queries(qkv, shape, scratch);
  pack_keys(qkv + all_heads, shape, scratch);
  pack_values(qkv + 2 * all_heads, shape, scratch);
  for (int row = 0; row < tokens; row += QUERY_ROWS) {
    const int rows = tokens - row < QUERY_ROWS ? tokens - row : QUERY_ROWS;
    const Factors by_keys{scratch.queries + (size_t)row * d, (size_t)d, scratch.keys,
                          (size_t)columns * 4, (d + DEPTH_STEP - 1) / DEPTH_STEP * DEPTH_STEP};
    const FinishScores scores{scratch.key_scales, scratch.key_bias, scratch.scores, columns};
    for_columns(used / LANES, [&](auto size, int column) {
      product<decltype(size)::value>(by_keys, rows, column, scratch.key_start, scores);
    });
    float inverse[QUERY_ROWS];
    softmax(scratch.scores, scratch.query_scales + row, rows, used, columns, scratch.weights, inverse);
    const Factors by_values{scratch.weights, (size_t)columns, scratch.values, (size_t)d * 4,
                            weights_depth};
    const FinishAttended attended{scratch.value_scales, scratch.value_means, inverse,
                                  out + row * shape.out_stride, shape.out_stride};
    for_columns(d / LANES, [&](auto size, int column) {
      product<decltype(size)::value>(by_values, rows, column, scratch.value_start, attended);
    });
  }
}

// ---- fp32 ----

// Keys as (d, columns), for columns = tokens rounded up to vectors.
void transpose_keys(const float* keys, const AttentionShape& shape, int columns, float* out) {
  for (int t = 0; t < shape.tokens; t++)
    for (int i = 0; i < shape.head_width; i++)
      out[(size_t)i * columns + t] = keys[t * shape.in_stride + i];
  for (int i = 0; i < shape.head_width; i++)
    for (int t = shape.tokens; t < columns; t++) out[(size_t)i * columns + t] = 0.f;
}

// One query: scores become 2^(scores - largest). Returns the inverse of their sum.
PQ_INLINE float softmax_fp32(float* scores, int tokens, int columns) {
  const int last = columns - LANES, rest = tokens - last;  // 1 .. LANES tokens in the last vector
  F tail = first(load(scores + last), rest, -1e30f), most = tail;
  for (int t = 0; t < last; t += LANES) most = max(load(scores + t), most);
  F top = all(largest(most)), total = all(0.f);
  for (int t = 0; t < last; t += LANES) {
    F y = exp2_of(sub(load(scores + t), top));
    total = add(total, y);
    store(scores + t, y);
  }
  tail = first(exp2_of(sub(tail, top)), rest, 0.f);
  store(scores + last, tail);
  return 1.f / sum(add(total, tail));
}

void attention_fp32(const float* qkv, const AttentionShape& shape, float* out, void* scratch) {
  const int d = shape.head_width, tokens = shape.tokens, all_heads = d * shape.heads;
  const int columns = (tokens + LANES - 1) / LANES * LANES;
  float *keys = (float*)scratch, *scores = keys + (size_t)columns * d;
  transpose_keys(qkv + all_heads, shape, columns, keys);
  const float* values = qkv + 2 * all_heads;
  for_tiles<ROWS>(tokens, [&](auto rows, int row) {
    constexpr int MR = decltype(rows)::value;
    for_columns(columns / LANES, [&](auto size, int column) {
      constexpr int NV = decltype(size)::value;
      F sums[MR][NV];
      clear(sums);
      multiply<Single, MR, NV>(qkv + row * shape.in_stride, shape.in_stride, keys + column, columns,
                               d, sums);
      PQ_UNROLL
      for (int i = 0; i < MR; i++) {
        PQ_UNROLL
        for (int j = 0; j < NV; j++)
          store(scores + (size_t)i * columns + column + j * LANES, sums[i][j]);
      }
    });
    float inverse[MR];
    for (int i = 0; i < MR; i++)
      inverse[i] = softmax_fp32(scores + (size_t)i * columns, tokens, columns);
    for_columns(d / LANES, [&](auto size, int column) {
      constexpr int NV = decltype(size)::value;
      F sums[MR][NV];
      clear(sums);
      multiply<Single, MR, NV>(scores, columns, values + column, shape.in_stride, tokens, sums);
      PQ_UNROLL
      for (int i = 0; i < MR; i++) {
        PQ_UNROLL
        for (int j = 0; j < NV; j++)
          store(out + (row + i) * shape.out_stride + column + j * LANES,
                mul(sums[i][j], all(inverse[i])));
      }
    });
  });
}

}  // namespace
