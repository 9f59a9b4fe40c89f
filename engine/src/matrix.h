// Weights as a caller hands them over, checked; and as kernels read them.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"
#include "pullquote.h"

namespace pq {

// An argument that is not valid; the message is for people.
struct Invalid : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Memory for vectors, aligned and zeroed.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);

  template <class T>
  T* as() const {
    return static_cast<T*>(start_.get());
  }

 private:
  struct Free {
    void operator()(void* start) const;
  };
  std::unique_ptr<void, Free> start_;
};

// The largest width of a layer: sums of int8 products stay far from the end of 32 bits.
constexpr int MOST_COLUMNS = 65536;

// Raises `Invalid` unless the matrix is whole, of one of the kinds and of the shape: any number of
// rows or columns where that is -1.
void check(const pq_matrix& matrix, const std::string& name, int rows, int columns, bool table);
void check(const pq_vector& vector, const std::string& name, int count);

// One row of a checked table as floats.
void unpack_row(const pq_matrix& table, int row, float* out);

// Begin to load the row into the cache: words lie far apart in a large table.
void prefetch_row(const pq_matrix& table, int row);

// A vector followed by zeros up to padded(count).
Buffer padded_vector(const pq_vector& vector);
// Rows of floats, each followed by zeros up to padded(columns).
Buffer padded_rows(const pq_matrix& matrix);

// Where rows or columns of a matrix go: position i of the result holds index[i], or zeros for -1.
using Places = std::vector<int>;
Places in_order(int count);
// heads from `first` on, of width d, each padded to HEAD_MULTIPLE
Places in_heads(int first, int count, int d);

// Rows of one linear layer among those of another, with a factor for their results.
struct Part {
  const pq_linear& linear;
  Places rows;
  float factor;
};

// One or more linear layers with the same input, packed for kernels.
class Linear {
 public:
  Linear() = default;
  // The parts' rows one after the other; `columns` places those of the input. The layers must have
  // been checked, except that codes are within -63 .. 63, which is checked here.
  Linear(const std::vector<Part>& parts, const Places& columns, pq_precision precision,
         const Kernels& kernels, const std::string& name);

  const Packed& packed() const { return packed_; }

 private:
  Packed packed_;
  Buffer codes_, offsets_, scales_, values_, bias_;
};

}  // namespace pq
