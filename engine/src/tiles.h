// Matrix products by tiles: a few rows by VECTORS vectors of columns, whose sums stay in registers.
// Included after an instruction set's vectors (see simd_portable.h).
#pragma once

#include <cstddef>

#if defined(PQ_UNROLL)  // given by the build
#elif defined(__clang__)
#define PQ_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define PQ_UNROLL _Pragma("GCC unroll 32")
#else
#define PQ_UNROLL
#endif

namespace {

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
static_assert(VECTORS <= 4, "for_columns counts on it");

// The factors of a product in int8: rows of codes, and columns in which four bytes lie together.
struct Factors {
  const uint8_t* left;  // (rows, left_stride)
  size_t left_stride;
  const int8_t* right;  // [depth / 4][columns][4], -63 .. 63
  size_t right_stride;  // bytes from one [columns][4] to the next
  int depth;
};

#if defined(PQ_AMX)
}  // namespace
#include "tiles_amx.h"
namespace {
#else

constexpr int DEPTH_STEP = 4;          // of which the depth is a multiple
constexpr int QUERY_ROWS = INT8_ROWS;  // that attention multiplies together
struct Session {};                     // see tiles_amx.h

// finish(row, column, sums) for each row and each of NV vectors of columns from `column`, with
// sums = start[column] + left right.
template <int NV, class Finish>
PQ_INLINE void product(const Factors& factors, int rows, int column, const int32_t* start,
                       const Finish& finish_row) {
  for_tiles<INT8_ROWS>(rows, [&](auto size, int row) {
    constexpr int MR = decltype(size)::value;
    // Copies, which stores cannot change: the compiler keeps them in registers.
    const Factors x = factors;
    const Finish finish = finish_row;
    I sums[MR][NV];
    PQ_UNROLL
    for (int j = 0; j < NV; j++) {
      I first = load_integers(start + column + j * LANES);
      PQ_UNROLL
      for (int i = 0; i < MR; i++) sums[i][j] = first;
    }
    multiply<Quad, MR, NV>(x.left + row * x.left_stride, x.left_stride, x.right + 4 * column,
                           x.right_stride, x.depth, sums);
    PQ_UNROLL
    for (int j = 0; j < NV; j++) {
      PQ_UNROLL
      for (int i = 0; i < MR; i++) finish(row + i, column + j * LANES, sums[i][j]);
    }
  });
}
#endif

}  // namespace
