// The arithmetic that is written once for every instruction set, as a table of functions.
//
// All widths here are padded: rows of floats and of codes start every `padded(width)` elements, and
// what lies between width and padded(width) is zero, so that no kernel has a remainder to handle.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pq {

constexpr int ALIGNMENT = 64;  // bytes, and elements to which widths are padded
constexpr int HEAD_MULTIPLE = 16;  // heads are padded to a multiple of this width

constexpr int padded(int width) { return (width + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

// What happens to a product's result y before it is stored.
enum class Epilogue {
  store,     // out = y
  gelu,      // out = gelu(y)
  gelu_new,  // the same by tanh
  relu,
  residual,  // out = out + y
};

// A linear layer as kernels read it: int8 or fp32.
struct Packed {
  int in = 0;                        // padded
  int out = 0;                       // padded
  const int8_t* codes = nullptr;     // [out / panel][in / 4][panel][4]; nullptr for fp32
  const int32_t* offsets = nullptr;  // (out): -Kernels::zero_code * sum of the codes of a column
  const float* scales = nullptr;     // (out)
  const float* values = nullptr;     // fp32: [out / panel][in][panel]
  const float* bias = nullptr;       // (out)
};

// Rows of activations in int8: 128 + round(x / scale), a scale for each row.
struct Codes {
  uint8_t* codes;  // (rows, padded(width)), readable up to a multiple of 16 rows
  float* scales;   // (rows)
};

struct NormWeights {
  int width;
  const float* gain;  // (padded(width)), zeros after width
  const float* bias;
  float epsilon;
};

struct AttentionShape {
  int tokens;
  int heads;
  int head_width;  // a multiple of HEAD_MULTIPLE
  size_t in_stride, out_stride;

  // Bytes of scratch that attention needs at most.
  size_t scratch() const {
    return (size_t(padded(tokens)) * (padded(head_width) + 32) + 24 * padded(head_width) + 256) *
           sizeof(float);
  }
};

struct Kernels {
  const char* name;
  int panel;      // columns that lie together in `Packed`
  int zero_code;  // the number that the products take a code of 128 for: 128, or 0 if signed
  double least_products;  // of a window, for each thread that shares it, since one has to be woken

  // out (rows, out_stride) = epilogue(x weight^T + bias)
  void (*linear_int8)(const Codes& x, int rows, const Packed& weight, Epilogue epilogue, float* out,
                      size_t out_stride);
  void (*linear_fp32)(const float* x, int rows, const Packed& weight, Epilogue epilogue, float* out,
                      size_t out_stride);

  // x (rows, padded(width)) to codes
  void (*quantise)(const float* x, int rows, int width, Codes out);
  // x in place; also to codes where these are given
  void (*norm)(float* x, int rows, const NormWeights& weights, const Codes* out);

  // softmax(q k^T) v of one head. A row of `shape.heads` is [q of each][k of each][v of each], and `qkv`
  // is the head's q in the first row; q has been scaled by log2(e) / sqrt(d). The first multiplies in
  // int8.
  void (*attention)(const float* qkv, const AttentionShape& shape, float* out, void* scratch);
  void (*attention_fp32)(const float* qkv, const AttentionShape& shape, float* out, void* scratch);

  // The dot product of each of `count` rows, which lie one after the other without padding, with
  // `codes`, -63 .. 63, zeros from width to padded(width). `start` is -zero_code * the sum of codes.
  void (*dots)(const int8_t* rows, int count, int width, const int8_t* codes, int32_t start,
               int32_t* sums);

  // The two dot products of each row: x (rows, padded(width)), weight (2, padded(width)).
  void (*head)(const float* x, int rows, int width, const float* weight, const float* bias,
               float* start, float* end);
};

// The kernels that this machine can run, best first; the last is the portable one.
const Kernels* const* available_kernels();

}  // namespace pq
