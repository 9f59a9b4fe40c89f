#include "nearest.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <string>

#include "matrix.h"
#include "pool.h"

namespace pq {

namespace {

constexpr int BLOCK = 256;  // rows that are multiplied before their products are compared
constexpr int RUN = 64;     // blocks that a thread takes at a time
constexpr int MOST_CODE = 63;

bool better(const pq_near& a, const pq_near& b) {
  return a.product != b.product ? a.product > b.product : a.row < b.row;
}

// The best rows so far, the worst of them on top of the heap.
class Best {
 public:
  explicit Best(size_t most) : most_(most) {}

  void add(int64_t row, int32_t product) {
    if (found.size() < most_) {
      found.push_back({row, product, 0});
      std::push_heap(found.begin(), found.end(), better);
    } else if (product > found[0].product) {  // rows come in order: an equal one is later
      std::pop_heap(found.begin(), found.end(), better);
      found.back() = {row, product, 0};
      std::push_heap(found.begin(), found.end(), better);
    }
  }

  std::vector<pq_near> found;

 private:
  size_t most_;
};

void check(const pq_nearest_request& request) {
  if (request.width < 1 || request.width > MOST_COLUMNS)
    throw Invalid("rows of width " + std::to_string(request.width) + "; expected 1 to " +
                  std::to_string(MOST_COLUMNS));
  if (request.count < 0 || uint64_t(request.count) > UINT64_MAX / MOST_COLUMNS ||
      uint64_t(request.count) * request.width != request.row_elements ||
      (!request.rows && request.count))
    throw Invalid(std::to_string(request.count) + " rows of width " +
                  std::to_string(request.width) + ", but " +
                  std::to_string(request.rows ? request.row_elements : 0) + " elements");
  if (!request.query) throw Invalid("query: NULL");
  for (int i = 0; i < request.width; i++)
    if (request.query[i] < -MOST_CODE || request.query[i] > MOST_CODE)
      throw Invalid("a code of " + std::to_string(request.query[i]) +
                    " in the query; expected -63 .. 63");
  if (request.most < 0 || request.threads < 1)
    throw Invalid(std::to_string(request.most) + " rows to find by " +
                  std::to_string(request.threads) + " threads; expected 0 or more, 1 or more");
}

}  // namespace

std::vector<pq_near> nearest(const pq_nearest_request& request, const Kernels& kernels) {
  check(request);
  const int width = request.width;
  const Buffer query(padded(width));
  memcpy(query.as<int8_t>(), request.query, width);
  int32_t start = 0;
  for (int i = 0; i < width; i++) start -= kernels.zero_code * request.query[i];
  const size_t most = size_t(std::min(request.most, request.count));
  if (most == 0) return {};

  const int64_t step = int64_t(BLOCK) * RUN, runs = (request.count + step - 1) / step;
  const int threads = int(std::min<int64_t>(request.threads, runs));
  std::vector<Best> best(threads, Best(most));
  std::atomic<int64_t> next{0};
  std::atomic<int> thread{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    try {
      Best& mine = best[thread.fetch_add(1)];
      int32_t products[BLOCK];
      while (true) {
        const int64_t first = next.fetch_add(1) * step;
        if (first >= request.count) break;
        const int64_t end = std::min(first + step, request.count);
        for (int64_t row = first; row < end; row += BLOCK) {
          const int rows = int(std::min<int64_t>(BLOCK, end - row));
          const uint8_t* allowed = request.allowed ? request.allowed + row : nullptr;
          if (allowed && std::all_of(allowed, allowed + rows, [](uint8_t a) { return !a; })) continue;
          kernels.dots(request.rows + row * width, rows, width, query.as<int8_t>(), start, products);
          for (int i = 0; i < rows; i++)
            if (!allowed || allowed[i]) mine.add(row + i, products[i]);
        }
      }
    } catch (...) {
      failed.store(true);
    }
  };
  // Never destroyed: its threads may outlive what a library destroys when a process ends.
  static ProcessPool& pool = *new ProcessPool;
  if (threads > 1)
    pool.get().run(threads - 1, work);
  else
    work();
  if (failed.load()) throw std::bad_alloc();

  std::vector<pq_near> all;
  for (const Best& part : best) all.insert(all.end(), part.found.begin(), part.found.end());
  std::sort(all.begin(), all.end(), better);
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace pq
