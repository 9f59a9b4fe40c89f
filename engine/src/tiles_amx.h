// Products of int8 by AMX, which replace those of tiles.h: see there for what they compute.
//
// A tile register holds 16 rows of 64 bytes. Left tiles are read in place, 16 rows at a time: what
// lies after the last row must be readable up to a multiple of 16 rows, and changes nothing.
#pragma once

namespace {

constexpr int DEPTH_STEP = 64;
constexpr int QUERY_ROWS = 16;

// Configures the tile registers of this thread, and gives them back.
struct Session {
  Session() {
    struct alignas(64) {
      uint8_t palette = 1, reserved[15] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    _tile_loadconfig(&config);
  }
  ~Session() { _tile_release(); }
};

// Up to 2 x 2 tiles of sums, from `left` and `right` on.
template <bool two_rows, bool two_columns>
PQ_INLINE void tiles(const Factors& x, const uint8_t* left, const int8_t* right,
                     const int32_t* start, int32_t* sums) {
  _tile_loadd(0, start, 0);  // the same 16 sums in each row
  if (two_columns) _tile_loadd(1, start + 16, 0);
  if (two_rows) _tile_loadd(2, start, 0);
  if (two_rows && two_columns) _tile_loadd(3, start + 16, 0);
  const uint8_t* lower = left + 16 * x.left_stride;
  const size_t step = DEPTH_STEP / 4 * x.right_stride;
  for (int k = 0; k < x.depth; k += DEPTH_STEP, right += step) {
    _tile_loadd(4, left + k, x.left_stride);
    _tile_loadd(6, right, x.right_stride);
    _tile_dpbusd(0, 4, 6);
    if (two_columns) {
      _tile_loadd(7, right + 64, x.right_stride);
      _tile_dpbusd(1, 4, 7);
    }
    if (two_rows) {
      _tile_loadd(5, lower + k, x.left_stride);
      _tile_dpbusd(2, 5, 6);
      if (two_columns) _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, sums, 128);
  if (two_columns) _tile_stored(1, sums + 16, 128);
  if (two_rows) _tile_stored(2, sums + 512, 128);
  if (two_rows && two_columns) _tile_stored(3, sums + 528, 128);
}

template <int NV, class Finish>
PQ_INLINE void product(const Factors& factors, int rows, int column, const int32_t* start,
                       const Finish& finish_row) {
  const Factors x = factors;
  const Finish finish = finish_row;
  alignas(64) int32_t sums[32 * 32];
  for (int row = 0; row < rows; row += 32) {
    const uint8_t* left = x.left + row * x.left_stride;
    const int here = rows - row < 32 ? rows - row : 32;
    PQ_UNROLL
    for (int j = 0; j < NV; j += 2) {
      constexpr auto both = [](int j) { return j + 1 < NV; };
      const int at = column + j * LANES;
      const int8_t* right = x.right + 4 * at;
      if (both(j))
        here > 16 ? tiles<true, true>(x, left, right, start + at, sums)
                  : tiles<false, true>(x, left, right, start + at, sums);
      else
        here > 16 ? tiles<true, false>(x, left, right, start + at, sums)
                  : tiles<false, false>(x, left, right, start + at, sums);
      for (int i = 0; i < here; i++) {
        finish(row + i, at, load_integers(sums + 32 * i));
        if (both(j)) finish(row + i, at + LANES, load_integers(sums + 32 * i + LANES));
      }
    }
  }
}

}  // namespace
