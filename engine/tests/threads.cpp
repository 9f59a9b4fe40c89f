// Threads that read with one model, and one that stops it: for a build with the thread sanitizer.
//
//   threads [ROUNDS]    at least 2
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "pullquote.h"

namespace {

constexpr int HIDDEN = 32, INNER = 48, WORDS = 20, POSITIONS = 40, WINDOWS = 12, READERS = 3;

// A model of one layer whose weights are all alike: what it reads does not matter.
struct Model {
  std::vector<float> values = std::vector<float>(INNER * HIDDEN, 0.01f);
  pq_layer layer;
  pq_weights weights{};
  pq_model* made = nullptr;

  pq_matrix matrix(int rows, int columns) const {
    return {PQ_FLOAT, rows, columns, 0, values.data(), uint64_t(rows) * columns, nullptr, 0};
  }
  pq_vector vector(int count) const { return {values.data(), uint64_t(count)}; }
  pq_linear linear(int out, int in) const { return {matrix(out, in), vector(out)}; }

  explicit Model(int precision) {
    const pq_norm norm{vector(HIDDEN), vector(HIDDEN)};
    const pq_linear square = linear(HIDDEN, HIDDEN);
    layer = {square, square, square, square, norm, linear(INNER, HIDDEN), linear(HIDDEN, INNER), norm};
    weights.words = matrix(WORDS, HIDDEN);
    weights.positions = matrix(POSITIONS, HIDDEN);
    weights.embedding_norm = norm;
    weights.layers = &layer;
    weights.layer_count = 1;
    weights.heads = 2;
    weights.epsilon = 1e-12f;
    weights.head = linear(2, HIDDEN);
    char message[200] = "";
    if (pq_model_create(&weights, precision, nullptr, &made, message, sizeof message) != PQ_OK) {
      fprintf(stderr, "%s\n", message);
      exit(1);
    }
  }
  ~Model() { pq_model_free(made); }
};

int32_t embed(pq_model* model, int threads) {
  const std::vector<int32_t> ids(WINDOWS * POSITIONS, 3), lengths(WINDOWS, POSITIONS);
  std::vector<float> vectors(WINDOWS * HIDDEN);
  const pq_request request{ids.data(), nullptr, lengths.data(), int64_t(ids.size()), WINDOWS,
                           threads,    0,       0};
  int32_t done = 0;
  return pq_embed(model, &request, vectors.data(), &done, nullptr, 0);
}

int32_t nearest(int threads) {
  constexpr int ROWS = 100000, MOST = 10;
  const std::vector<int8_t> rows(ROWS * HIDDEN, 1), query(HIDDEN, 1);
  const pq_nearest_request request{rows.data(), query.data(), nullptr, rows.size(), ROWS, HIDDEN,
                                   threads, MOST};
  pq_near near[MOST];
  int64_t found = 0;
  const int32_t status = pq_nearest(&request, nullptr, near, &found, nullptr, 0);
  // all rows are alike: the first are found, whichever thread saw them
  return status == PQ_OK && (found != MOST || near[MOST - 1].row != MOST - 1) ? PQ_INTERNAL : status;
}

// A single window is shared by the threads.
int32_t read(pq_model* model, int threads, int windows) {
  const std::vector<int32_t> ids(windows * POSITIONS, 3), lengths(windows, POSITIONS);
  std::vector<float> start(ids.size()), end(ids.size());
  const pq_request request{ids.data(), nullptr, lengths.data(), int64_t(ids.size()), windows,
                           threads,    0,       0};
  int32_t done = 0;
  return pq_read(model, &request, start.data(), end.data(), &done, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 20;
  std::atomic<int> failed{0}, whole{0}, stopped{0};
  for (int round = 0; round < rounds; round++) {
    Model model(round % 2);
    std::vector<std::thread> readers;
    for (int i = 0; i < READERS; i++)
      readers.emplace_back([&, i] {
        for (int n = 0; n < 10; n++) {
          const int32_t status = n == 8   ? embed(model.made, 1 + i)
                                 : n == 9 ? nearest(1 + i)
                                          : read(model.made, 1 + i, n % 2 ? 1 : WINDOWS);
          (status == PQ_OK ? whole : status == PQ_STOPPED ? stopped : failed)++;
        }
      });
    if (round == rounds - 1) pq_stop(model.made);
    for (std::thread& reader : readers) reader.join();
  }
  printf("%d reads, %d stopped, %d failed\n", whole.load(), stopped.load(), failed.load());
  return failed.load() != 0 || whole.load() == 0 || stopped.load() == 0;
}
