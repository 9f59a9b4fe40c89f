// Where the time of a window goes: encoders of the bundled models' shapes, with random weights, read
// one window over and over, with a clock around each kernel that they call. The fastest read counts.
//
//   g++ -std=c++17 -O2 -pthread -Iengine/include -Iengine/src -o build/phases engine/bench/phases.cpp \
//       build/engine/CMakeFiles/pullquote.dir/src/*.o     (after the engine itself)
//   build/phases KERNELS PEAK [READS]    PEAK: GOP/s, of which products state their share (see peak.cpp)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "encoder.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  const char* name;
  int hidden, heads, intermediate, layers;
};

enum Phase { QKV, OUTPUT, UP, DOWN, ATTENTION, QUANTISE, NORM, HEAD, REST, PHASES };
const char* const NAMES[PHASES] = {"query, key, value", "attention output", "up, activation",
                                   "down",              "attention",        "quantise",
                                   "norm",              "head",             "embeddings and the rest"};

const pq::Kernels* kernels;  // that are timed
double spent[PHASES];        // seconds

struct Timed {
  double& seconds;
  Clock::time_point start = Clock::now();
  explicit Timed(Phase phase) : seconds(spent[phase]) {}
  ~Timed() { seconds += std::chrono::duration<double>(Clock::now() - start).count(); }
};

void linear_int8(const pq::Codes& x, int rows, const pq::Packed& weight, pq::Epilogue epilogue,
                 float* out, size_t stride) {
  const Timed timed(epilogue == pq::Epilogue::store      ? QKV
                    : epilogue != pq::Epilogue::residual ? UP
                    : weight.in == weight.out            ? OUTPUT
                                                         : DOWN);
  kernels->linear_int8(x, rows, weight, epilogue, out, stride);
}
void quantise(const float* x, int rows, int width, pq::Codes out) {
  const Timed timed(QUANTISE);
  kernels->quantise(x, rows, width, out);
}
void norm(float* x, int rows, const pq::NormWeights& weights, const pq::Codes* out) {
  const Timed timed(NORM);
  kernels->norm(x, rows, weights, out);
}
void attention(const float* qkv, const pq::AttentionShape& shape, float* out, void* scratch) {
  const Timed timed(ATTENTION);
  kernels->attention(qkv, shape, out, scratch);
}
void head(const float* x, int rows, int width, const float* weight, const float* bias, float* start,
          float* end) {
  const Timed timed(HEAD);
  kernels->head(x, rows, width, weight, bias, start, end);
}

// Weights of the spread that trained ones have.
struct Weights {
  static constexpr int WORDS = 30522, LONGEST = 512;
  std::mt19937 generator{0};
  std::vector<std::vector<float>> kept;
  std::vector<pq_layer> layers;
  pq_weights weights{};

  explicit Weights(const Shape& shape) {
    kept.reserve(1000);
    const int h = shape.hidden, wide = shape.intermediate;
    weights.words = matrix(WORDS, h, 1);
    weights.positions = matrix(LONGEST, h, 0.3f);
    weights.embedding_norm = norm(h);
    for (int i = 0; i < shape.layers; i++)
      layers.push_back({linear(h, h), linear(h, h), linear(h, h), linear(h, h), norm(h),
                        linear(wide, h), linear(h, wide), norm(h)});
    weights.layers = layers.data();
    weights.layer_count = shape.layers;
    weights.heads = shape.heads;
    weights.activation = PQ_GELU;
    weights.epsilon = 1e-12f;
    weights.head = linear(2, h);
  }

  pq_vector vector(int count, float spread, float middle) {
    std::normal_distribution<float> distribution(middle, spread);
    kept.emplace_back(count);
    for (float& value : kept.back()) value = distribution(generator);
    return {kept.back().data(), uint64_t(count)};
  }
  pq_matrix matrix(int rows, int columns, float spread) {
    const pq_vector values = vector(rows * columns, spread, 0);
    return {PQ_FLOAT, rows, columns, 0, values.data, values.count, nullptr, 0};
  }
  pq_linear linear(int out, int in) {
    return {matrix(out, in, 1.f / std::sqrt(float(in))), vector(out, 0.1f, 0)};
  }
  pq_norm norm(int width) { return {vector(width, 0.1f, 1), vector(width, 0.1f, 0)}; }
};

double read(pq::Encoder& encoder, const std::vector<int32_t>& ids) {
  const int32_t tokens = int32_t(ids.size());
  std::vector<float> start(tokens), end(tokens);
  pq_request request{};
  request.ids = ids.data();
  request.lengths = &tokens;
  request.tokens = tokens;
  request.windows = request.threads = 1;
  int32_t done = 0;
  const auto began = Clock::now();
  encoder.read(request, start.data(), end.data(), &done);
  return std::chrono::duration<double>(Clock::now() - began).count();
}

void report(const Shape& shape, pq::Encoder& encoder, int tokens, int reads, double peak) {
  std::vector<int32_t> ids(tokens);
  for (int i = 0; i < tokens; i++) ids[i] = i * 7919 % Weights::WORDS;
  double best = 1e9, best_spent[PHASES];
  for (int i = 0; i < reads; i++) {
    std::fill(spent, spent + PHASES, 0.);
    const double seconds = read(encoder, ids);
    if (seconds >= best) continue;
    best = spent[REST] = seconds;
    for (int phase = 0; phase < REST; phase++) spent[REST] -= spent[phase];
    std::copy(spent, spent + PHASES, best_spent);
  }
  // a multiplication and an addition for each token
  const double h = shape.hidden, rows = 2. * shape.layers * tokens;
  const double operations[PHASES] = {rows * 3 * h * h, rows * h * h, rows * h * shape.intermediate,
                                     rows * h * shape.intermediate, rows * 2 * h * tokens};
  double all = 0;
  for (const double n : operations) all += n;
  printf("%s, %d tokens, %s: %.1f us, %.0f GOP/s, %.2f of the peak\n", shape.name, tokens,
         kernels->name, best * 1e6, all / best / 1e9, all / best / 1e9 / peak);
  for (int phase = 0; phase < PHASES; phase++) {
    const double seconds = best_spent[phase];
    printf("  %-24s %8.1f us %5.1f %%", NAMES[phase], seconds * 1e6, 100 * seconds / best);
    if (operations[phase] > 0) printf("   %.2f of the peak", operations[phase] / seconds / 1e9 / peak);
    printf("\n");
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    fprintf(stderr, "phases KERNELS PEAK [READS]\n");
    return 2;
  }
  kernels = &pq::find_kernels(arguments[1]);
  pq::Kernels timed = *kernels;
  timed.linear_int8 = linear_int8;
  timed.quantise = quantise;
  timed.norm = norm;
  timed.attention = attention;
  timed.head = head;
  for (const Shape& shape : {Shape{"tiny", 128, 2, 512, 2}, Shape{"small", 384, 12, 1536, 6}}) {
    const Weights weights(shape);
    pq::Encoder encoder(weights.weights, PQ_PRECISION_INT8, timed);
    for (const int tokens : {64, 183, 384})
      report(shape, encoder, tokens, count > 3 ? atoi(arguments[3]) : 1000, atof(arguments[2]));
  }
}
