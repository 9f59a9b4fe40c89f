#include "matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

namespace pq {

namespace {

constexpr int MOST_CODE = 63;           // of layers: 7 bits, see simd_avx2.h
constexpr float ROUNDER = 12582912.f;  // added and subtracted, it rounds to the nearest integer

std::string shape(int rows, int columns) {
  const auto text = [](int n) { return n < 0 ? std::string("any") : std::to_string(n); };
  return "(" + text(rows) + ", " + text(columns) + ")";
}

// One row of PQ_SEVENS. The parts have 4, 2 and 1 bits of each code: 8 / bits rows share a byte.
void unpack_sevens(const pq_matrix& matrix, int row, int8_t* codes) {
  const size_t n = matrix.columns;
  const uint8_t* part = static_cast<const uint8_t*>(matrix.data);
  memset(codes, 0, n);
  for (int bits = 4, low = 0; bits > 0; low += bits, bits /= 2) {
    const int rows = matrix.rows * bits / 8;  // of bytes
    const uint8_t* from = part + size_t(row % rows) * n;
    const int shift = row / rows * bits;
    const uint64_t mask = 0x0101010101010101 * ((1 << bits) - 1);
    const auto put = [&](size_t at, size_t bytes) {  // of eight codes: no bit leaves its byte
      uint64_t word = 0, to = 0;
      memcpy(&word, from + at, bytes);
      memcpy(&to, codes + at, bytes);
      to |= (word >> shift & mask) << low;
      memcpy(codes + at, &to, bytes);
    };
    const size_t whole = n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) put(i, 8);
    put(whole, n - whole);
    part += rows * n;
  }
  for (size_t i = 0; i < n; i++) codes[i] -= 64;
}

void unpack_nibbles(const pq_matrix& matrix, int row, int8_t* codes) {
  const size_t n = matrix.columns;
  const uint8_t* from = static_cast<const uint8_t*>(matrix.data) + row * n / 2;
  for (size_t i = 0; i < n / 2; i++) {
    codes[2 * i] = static_cast<int8_t>((from[i] & 15) - 8);
    codes[2 * i + 1] = static_cast<int8_t>((from[i] >> 4) - 8);
  }
}

// A row as codes with a scale: those that it has, or the nearest with 7 bits.
float quantised_row(const pq_matrix& matrix, int row, int8_t* codes) {
  const size_t n = matrix.columns, at = row * n;
  if (matrix.kind == PQ_INT8) {
    memcpy(codes, static_cast<const int8_t*>(matrix.data) + at, n);
    return matrix.scales[row];
  }
  if (matrix.kind == PQ_SEVENS) {
    unpack_sevens(matrix, row, codes);
    return matrix.scales[row];
  }
  if (matrix.kind == PQ_NIBBLES) {
    unpack_nibbles(matrix, row, codes);
    return matrix.scales[row];
  }
  const float* values = static_cast<const float*>(matrix.data) + at;
  float largest = 1e-12f;
  for (size_t i = 0; i < n; i++) largest = std::max(largest, std::fabs(values[i]));
  const float scale = largest / MOST_CODE;
  for (size_t i = 0; i < n; i++) {
    const float code = values[i] / scale + ROUNDER - ROUNDER;
    codes[i] = std::fabs(code) <= MOST_CODE ? static_cast<int8_t>(code) : 0;  // not a number: 0
  }
  return scale;
}

}  // namespace

Buffer::Buffer(size_t bytes) {
  bytes = (bytes / ALIGNMENT + 1) * ALIGNMENT;
  start_.reset(::operator new(bytes, std::align_val_t(ALIGNMENT)));
  memset(start_.get(), 0, bytes);
}

void Buffer::Free::operator()(void* start) const {
  ::operator delete(start, std::align_val_t(ALIGNMENT));
}

void check(const pq_matrix& matrix, const std::string& name, int rows, int columns, bool table) {
  const bool nibbles = matrix.kind == PQ_NIBBLES;
  const bool sevens = matrix.kind == PQ_SEVENS && !table;
  if (matrix.kind != PQ_FLOAT && matrix.kind != PQ_INT8 && !nibbles && !sevens)
    throw Invalid(name + ": a matrix of kind " + std::to_string(matrix.kind) +
                  "; expected float, int8" + (table ? " or nibbles" : ", nibbles or sevens"));
  if (matrix.rows < 1 || matrix.columns < 1 || (rows >= 0 && matrix.rows != rows) ||
      (columns >= 0 && matrix.columns != columns))
    throw Invalid(name + ": shape " + shape(matrix.rows, matrix.columns) + ", expected " +
                  shape(rows, columns));
  if (matrix.columns > MOST_COLUMNS || (!table && matrix.rows > MOST_COLUMNS))
    throw Invalid(name + ": shape " + shape(matrix.rows, matrix.columns) + ", wider than " +
                  std::to_string(MOST_COLUMNS));
  if (nibbles && matrix.columns % 2)
    throw Invalid(name + ": nibbles in an odd number of columns, " + std::to_string(matrix.columns));
  if (sevens && matrix.rows % 8)
    throw Invalid(name + ": sevens in " + std::to_string(matrix.rows) + " rows, no multiple of 8");
  uint64_t count = uint64_t(matrix.rows) * matrix.columns;
  if (nibbles) count /= 2;
  if (sevens) count = count / 8 * 7;
  if (!matrix.data || matrix.count != count)
    throw Invalid(name + ": " + std::to_string(matrix.data ? matrix.count : 0) +
                  " elements, expected " + std::to_string(count));
  const uint64_t scales = matrix.kind == PQ_FLOAT ? 0 : matrix.rows;
  if (scales && (!matrix.scales || matrix.scale_count != scales))
    throw Invalid(name + ": " + std::to_string(matrix.scales ? matrix.scale_count : 0) +
                  " scales, expected " + std::to_string(scales));
}

void check(const pq_vector& vector, const std::string& name, int count) {
  if (!vector.data || vector.count != uint64_t(count))
    throw Invalid(name + ": " + std::to_string(vector.data ? vector.count : 0) +
                  " elements, expected " + std::to_string(count));
}

void unpack_row(const pq_matrix& table, int row, float* out) {
  const int n = table.columns;
  const size_t at = size_t(row) * n;
  if (table.kind == PQ_FLOAT) {
    memcpy(out, static_cast<const float*>(table.data) + at, n * sizeof(float));
    return;
  }
  const float scale = table.scales[row];
  if (table.kind == PQ_SEVENS) {
    std::vector<int8_t> codes(n);
    unpack_sevens(table, row, codes.data());
    for (int i = 0; i < n; i++) out[i] = codes[i] * scale;
    return;
  }
  if (table.kind == PQ_INT8) {
    const int8_t* codes = static_cast<const int8_t*>(table.data) + at;
    for (int i = 0; i < n; i++) out[i] = codes[i] * scale;
    return;
  }
  const uint8_t* codes = static_cast<const uint8_t*>(table.data) + at / 2;
  for (int i = 0; i < n / 2; i++) {
    out[2 * i] = ((codes[i] & 15) - 8) * scale;
    out[2 * i + 1] = ((codes[i] >> 4) - 8) * scale;
  }
}

void prefetch_row(const pq_matrix& table, int row) {
#if defined(__GNUC__)
  const size_t bits = table.kind == PQ_FLOAT ? 32 : table.kind == PQ_INT8 ? 8 : 4;
  const size_t bytes = table.columns * bits / 8;
  const char* start = static_cast<const char*>(table.data) + row * bytes;
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(start + i);
  if (table.scales) __builtin_prefetch(table.scales + row);
#else
  (void)table, (void)row;
#endif
}

Buffer padded_vector(const pq_vector& vector) {
  Buffer buffer(padded(int(vector.count)) * sizeof(float));
  memcpy(buffer.as<float>(), vector.data, vector.count * sizeof(float));
  return buffer;
}

Buffer padded_rows(const pq_matrix& matrix) {
  const size_t stride = padded(matrix.columns);
  Buffer buffer(matrix.rows * stride * sizeof(float));
  for (int row = 0; row < matrix.rows; row++)
    unpack_row(matrix, row, buffer.as<float>() + row * stride);
  return buffer;
}

Places in_order(int count) {
  Places places(count);
  for (int i = 0; i < count; i++) places[i] = i;
  return places;
}

Places in_heads(int first, int count, int d) {
  const int width = (d + HEAD_MULTIPLE - 1) / HEAD_MULTIPLE * HEAD_MULTIPLE;
  Places places(size_t(count) * width, -1);
  for (int h = 0; h < count; h++)
    for (int i = 0; i < d; i++) places[h * width + i] = (first + h) * d + i;
  return places;
}

Linear::Linear(const std::vector<Part>& parts, const Places& columns, pq_precision precision,
               const Kernels& kernels, const std::string& name) {
  size_t rows = 0;
  for (const Part& part : parts) rows += part.rows.size();
  const int panel = kernels.panel, in = padded(int(columns.size())), out = padded(int(rows));
  const bool moved = columns != in_order(parts[0].linear.weight.columns);
  packed_.in = in;
  packed_.out = out;
  bias_ = Buffer(out * sizeof(float));
  packed_.bias = bias_.as<float>();
  if (precision == PQ_PRECISION_INT8) {
    codes_ = Buffer(size_t(in) * out);
    offsets_ = Buffer(out * sizeof(int32_t));
    scales_ = Buffer(out * sizeof(float));
    packed_.codes = codes_.as<int8_t>();
    packed_.offsets = offsets_.as<int32_t>();
    packed_.scales = scales_.as<float>();
  } else {
    values_ = Buffer(size_t(in) * out * sizeof(float));
    packed_.values = values_.as<float>();
  }
  std::vector<int8_t> codes(in), placed_codes(in);
  std::vector<float> values(in);
  int to = 0;
  for (const Part& part : parts) {
    const pq_matrix& weight = part.linear.weight;
    for (const int row : part.rows) {
      const int here = to++;
      if (row < 0) continue;
      bias_.as<float>()[here] = part.linear.bias.data[row] * part.factor;
      if (precision == PQ_PRECISION_INT8) {
        scales_.as<float>()[here] = quantised_row(weight, row, codes.data()) * part.factor;
        int32_t total = 0, largest = 0;
        for (int k = 0; k < weight.columns; k++) {
          total += codes[k];
          largest = std::max(largest, std::abs(int32_t(codes[k])));
        }
        if (largest > MOST_CODE)
          throw Invalid(name + ": a code of " + std::to_string(largest) + " in row " +
                        std::to_string(row) + "; expected -63 .. 63");
        offsets_.as<int32_t>()[here] = -kernels.zero_code * total;
        const int8_t* from = codes.data();
        if (moved) {
          for (size_t k = 0; k < columns.size(); k++)
            placed_codes[k] = columns[k] < 0 ? 0 : codes[columns[k]];
          from = placed_codes.data();
        }
        int8_t* at = codes_.as<int8_t>() + size_t(here / panel) * panel * in + here % panel * 4;
        for (int k = 0; k < in; k += 4, at += 4 * panel) memcpy(at, from + k, 4);
      } else {
        unpack_row(weight, row, values.data());
        float* at = values_.as<float>() + size_t(here / panel) * panel * in + here % panel;
        for (size_t k = 0; k < columns.size(); k++)
          at[k * panel] = columns[k] < 0 ? 0 : values[columns[k]] * part.factor;
      }
    }
  }
}

}  // namespace pq
