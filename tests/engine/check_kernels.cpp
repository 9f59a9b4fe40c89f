// Compares the engine's kernels with plain loops and with each other, where there is no Python for
// the machine: `make engine-arm` runs it under qemu. Exit code 1 says what differs.
//
//   check_kernels [NAME]   NAME: kernels that have to be among those that are compared
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "pullquote.h"

namespace {

using Floats = std::vector<float>;
std::mt19937 generator(0);
int failures = 0;

void fail(const std::string& what) {
  failures++;
  printf("FAILED: %s\n", what.c_str());
}

Floats normal(size_t count, float spread, float middle = 0) {
  std::normal_distribution<float> distribution(middle, spread);
  Floats values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

// Rows of whole numbers with a largest of 127 have a scale of 1: their products are exact.
void check_sums(const char* kernels, int columns) {
  constexpr int ROWS = 13, OUT = 70;
  std::uniform_int_distribution<int> code(-63, 63), value(-127, 127);
  std::vector<int8_t> codes(OUT * columns);
  for (int8_t& c : codes) c = int8_t(code(generator));
  memset(codes.data(), 63, columns);  // the sums that are the first to overflow
  memset(codes.data() + columns, -63, columns);
  const Floats ones(OUT, 1.f), zeros(OUT, 0.f);
  Floats x(ROWS * columns), y(ROWS * OUT);
  for (int i = 0; i < ROWS * columns; i++)
    x[i] = i < columns || i % columns == 0 ? 127.f : float(value(generator));
  pq_linear linear{};
  linear.weight = {PQ_INT8, OUT, columns, 0, codes.data(), codes.size(), ones.data(), OUT};
  linear.bias = {zeros.data(), OUT};
  char message[200];
  if (pq_linear_forward(&linear, PQ_PRECISION_INT8, kernels, x.data(), ROWS, y.data(), message, 200))
    return fail(message);
  for (int row = 0; row < ROWS; row++)
    for (int out = 0; out < OUT; out++) {
      int64_t sum = 0;
      for (int i = 0; i < columns; i++)
        sum += int(x[row * columns + i]) * codes[out * columns + i];
      if (y[row * OUT + out] != float(sum))
        return fail(std::string(kernels) + ": a sum of " + std::to_string(y[row * OUT + out]) +
                    " over " + std::to_string(columns) + " columns, expected " + std::to_string(sum));
    }
}

// The nearest rows by plain loops; columns of every remainder.
void check_nearest(const char* kernels, int columns) {
  constexpr int ROWS = 700, MOST = 50;
  std::uniform_int_distribution<int> code(-63, 63), value(-128, 127);
  std::vector<int8_t> rows(ROWS * columns), query(columns);
  for (int8_t& r : rows) r = int8_t(value(generator));
  memset(rows.data(), 127, columns);
  memset(rows.data() + columns, -128, columns);
  memcpy(rows.data() + 9 * columns, rows.data() + 5 * columns, columns);  // equal: the first wins
  for (int8_t& q : query) q = int8_t(code(generator));
  std::vector<std::pair<int64_t, int64_t>> sums;  // largest first, then by row
  for (int row = 0; row < ROWS; row++) {
    int64_t sum = 0;
    for (int i = 0; i < columns; i++) sum += rows[row * columns + i] * query[i];
    sums.emplace_back(-sum, row);
  }
  std::sort(sums.begin(), sums.end());
  const pq_nearest_request request{rows.data(), query.data(), nullptr, rows.size(),
                                   ROWS,        columns,      2,       MOST};
  pq_near near[MOST];
  int64_t found = 0;
  char message[200];
  if (pq_nearest(&request, kernels, near, &found, message, 200)) return fail(message);
  bool same = found == MOST;
  for (int i = 0; same && i < MOST; i++)
    same = near[i].row == sums[i].second && near[i].product == -sums[i].first;
  if (!same)
    fail(std::string(kernels) + ": other rows are nearest over " + std::to_string(columns) + " columns");
}

// A small encoder with random weights.
struct Model {
  static constexpr int WORDS = 50, LONGEST = 40, H = 96, WIDE = 192, HEADS = 3, LAYERS = 2;
  std::vector<Floats> kept;
  pq_layer layers[LAYERS];
  pq_weights weights{};

  Model() {
    kept.reserve(100);
    weights.words = matrix(WORDS, H, 1);
    weights.positions = matrix(LONGEST, H, 0.3f);
    weights.embedding_norm = norm();
    for (pq_layer& layer : layers) {
      layer.query = linear(H, H);
      layer.key = linear(H, H);
      layer.value = linear(H, H);
      layer.attention_output = linear(H, H);
      layer.attention_norm = norm();
      layer.intermediate = linear(WIDE, H);
      layer.output = linear(H, WIDE);
      layer.output_norm = norm();
    }
    weights.layers = layers;
    weights.layer_count = LAYERS;
    weights.heads = HEADS;
    weights.activation = PQ_GELU;
    weights.epsilon = 1e-12f;
    weights.head = linear(2, H);
  }

  pq_vector vector(int count, float spread, float middle) {
    kept.push_back(normal(count, spread, middle));
    return {kept.back().data(), kept.back().size()};
  }
  pq_matrix matrix(int rows, int columns, float spread) {
    const pq_vector values = vector(rows * columns, spread, 0);
    return {PQ_FLOAT, rows, columns, 0, values.data, values.count, nullptr, 0};
  }
  pq_linear linear(int out, int in) {
    return {matrix(out, in, 1.5f / std::sqrt(float(in))), vector(out, 0.1f, 0)};
  }
  pq_norm norm() { return {vector(H, 0.1f, 1), vector(H, 0.1f, 0)}; }

  // Start and end logits of windows of several lengths.
  Floats read(const char* kernels, pq_precision precision) const {
    const int32_t lengths[] = {1, 2, 15, 16, 17, 33, 40};
    int tokens = 0;
    for (const int32_t length : lengths) tokens += length;
    std::vector<int32_t> ids(tokens);
    for (int i = 0; i < tokens; i++) ids[i] = i * 7 % WORDS;
    Floats logits(2 * tokens);
    char message[200];
    pq_model* model = nullptr;
    if (pq_model_create(&weights, precision, kernels, &model, message, 200)) {
      fail(message);
      return logits;
    }
    pq_request request{};
    request.ids = ids.data();
    request.lengths = lengths;
    request.tokens = tokens;
    request.windows = sizeof lengths / sizeof *lengths;
    request.threads = 1;
    int32_t done = 0;
    if (pq_read(model, &request, logits.data(), logits.data() + tokens, &done, message, 200))
      fail(message);
    pq_model_free(model);
    return logits;
  }
};

// Roundings that fall otherwise move logits, whose spread is 1 to 2, by up to this much.
constexpr float BOUND_INT8 = 0.25f, BOUND_FP32 = 1e-4f;

void check_logits(const Model& model, const char* kernels, pq_precision precision, float bound) {
  const Floats found = model.read(kernels, precision), wanted = model.read("portable", precision);
  float most = 0;
  for (size_t i = 0; i < found.size(); i++) {
    const float difference = std::fabs(found[i] - wanted[i]);
    most = difference <= most ? most : difference;  // a NaN stays
  }
  printf("%s: logits differ from the portable ones by %.5f at most (%s)\n", kernels, most,
         precision == PQ_PRECISION_INT8 ? "int8" : "fp32");
  if (!(most < bound)) fail(std::string(kernels) + ": expected less than " + std::to_string(bound));
}

}  // namespace

int main(int count, char** arguments) {
  const Model model;
  bool found = count < 2;
  for (const char* const* name = pq_kernels(); *name; name++) {
    found = found || !strcmp(*name, arguments[1]);
    for (const int columns : {1, 4, 35, 128, 1537}) check_sums(*name, columns);
    for (const int columns : {1, 35, 64, 100, 256}) check_nearest(*name, columns);
    check_logits(model, *name, PQ_PRECISION_FP32, BOUND_FP32);
    check_logits(model, *name, PQ_PRECISION_INT8, BOUND_INT8);
  }
  if (!found) fail(std::string("no kernels called ") + arguments[1] + " here");
  return failures ? 1 : 0;
}
