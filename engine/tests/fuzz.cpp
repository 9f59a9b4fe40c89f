// Calls the C interface with random and damaged arguments; for builds with sanitizers.
//
//   fuzz SECONDS [SEED]    random cases; prints how many
//
// With -DPULLQUOTE_SANITIZE=fuzzer, libFuzzer chooses the cases instead, by the code that they reach.
// Every array is allocated with exactly as many elements as its count says, so that a read behind its
// end is found. Every status must be a known one, every message must end, and what the interface says
// of outputs must hold.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pullquote.h"

namespace {

#define EXPECT(condition)                                                        \
  do {                                                                           \
    if (!(condition)) {                                                          \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
      abort();                                                                   \
    }                                                                            \
  } while (0)

// Decisions, taken from the bytes of a case; zeros when they are used up.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  uint8_t byte() { return left_ ? (left_--, *data_++) : 0; }
  // one of 0 .. n - 1
  int below(int n) { return n > 256 ? (byte() * 256 + byte()) % n : byte() % n; }
  bool once_in(int n) { return below(n) == 1; }
  uint64_t word() {
    uint64_t all = 0;
    for (int i = 0; i < 8; i++) all = all << 8 | byte();
    return all;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

int32_t odd_size(Bytes& bytes, int32_t usual) {
  constexpr int32_t odd[] = {0, 1, -1, 2, 63, 64, 65, INT32_MAX, INT32_MIN, 65536, 65537};
  const int kind = bytes.below(14);
  return kind < 11 ? odd[kind] : usual + kind - 12;
}

float odd_float(Bytes& bytes) {
  constexpr float odd[] = {0.f, -0.f, 1e-40f, 1e30f, -3e38f, NAN, INFINITY, -INFINITY};
  return odd[bytes.below(8)];
}

double odd_time(Bytes& bytes) {
  const double odd[] = {0, -1, 1e-9, 1e-5, 1e-3, 1e300, NAN, INFINITY};
  return odd[bytes.below(8)];
}

// The arrays of a case, each of exactly its size.
class Arrays {
 public:
  explicit Arrays(Bytes& bytes) : bytes_(bytes) {}

  void* room(size_t size) {
    kept_.push_back(std::make_unique<uint8_t[]>(size));
    return kept_.back().get();
  }

  // A count that is right, or damaged; then the array has that many, or the count is impossible.
  template <class T>
  const T* array(uint64_t& count, bool damage) {
    if (damage) count = bytes_.once_in(4) ? UINT64_MAX - bytes_.byte() : uint64_t(bytes_.below(600));
    if (damage && bytes_.once_in(4)) return nullptr;
    const uint64_t size = count > 1 << 20 ? 1 : count;
    T* values = static_cast<T*>(room(size * sizeof(T)));
    uint64_t state = bytes_.word() | 1;
    for (uint64_t i = 0; i < size; i++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift
      values[i] = static_cast<T>(static_cast<int8_t>(state >> 32) / (sizeof(T) == 1 ? 1 : 64));
    }
    if constexpr (sizeof(T) == 4)
      if (size && bytes_.once_in(8)) values[state % size] = static_cast<T>(odd_float(bytes_));
    return values;
  }

  pq_vector vector(int count, bool damage) {
    pq_vector made{nullptr, uint64_t(count)};
    made.data = array<float>(made.count, damage);
    return made;
  }

  pq_matrix matrix(int kind, int rows, int columns, bool damage) {
    pq_matrix made{kind, rows, columns, 0, nullptr, 0, nullptr, 0};
    made.count = uint64_t(rows) * columns / (kind == PQ_NIBBLES ? 2 : 1);
    const int part = damage ? bytes_.below(6) : -1;
    if (part == 0) made.kind = bytes_.below(6) - 1;
    if (part == 1) made.rows = odd_size(bytes_, rows);
    if (part == 2) made.columns = odd_size(bytes_, columns);
    if (made.kind == PQ_FLOAT)
      made.data = array<float>(made.count, part == 3);
    else
      made.data = codes(made.count, part == 3, kind == PQ_INT8);
    made.scale_count = uint64_t(rows);
    if (made.kind != PQ_FLOAT) made.scales = array<float>(made.scale_count, part == 4);
    return made;
  }

  pq_linear linear(int kind, int out, int in, bool damage) {
    const bool bias = damage && bytes_.once_in(3);
    return {matrix(kind, out, in, damage && !bias), vector(out, bias)};
  }

  pq_norm norm(int width, bool damage) {
    return {vector(width, damage), vector(width, damage && bytes_.once_in(2))};
  }

 private:
  const int8_t* codes(uint64_t& count, bool damage, bool seven_bits) {
    const int8_t* values = array<int8_t>(count, damage);
    int8_t* all = const_cast<int8_t*>(values);
    if (all && seven_bits && !bytes_.once_in(16))
      for (uint64_t i = 0; i < count && count <= 1 << 20; i++) all[i] /= 3;
    return values;
  }

  Bytes& bytes_;
  std::vector<std::unique_ptr<uint8_t[]>> kept_;
};

// A message of any room, which must end in a zero where it was written.
struct Message {
  std::unique_ptr<char[]> text;
  uint64_t room;

  explicit Message(Bytes& bytes) : room(bytes.once_in(4) ? bytes.below(20) : 200) {
    text.reset(new char[room]);
    memset(text.get(), '?', room);
  }
  void check(int32_t status) const {
    EXPECT(status >= PQ_OK && status < PQ_INTERNAL);
    if (status != PQ_OK && room) EXPECT(memchr(text.get(), 0, room));
  }
};

const char* any_kernels(Bytes& bytes) {
  const char* const* names = pq_kernels();
  int count = 0;
  while (names[count]) count++;
  if (bytes.once_in(16)) return "sse9";
  const int chosen = bytes.below(count + 1);
  return chosen < count ? names[chosen] : nullptr;
}

void read(pq_model* model, Bytes& bytes, int vocabulary, int types, int positions) {
  Message message(bytes);
  const bool damage = bytes.once_in(3);
  std::vector<int32_t> lengths(1 + bytes.below(4));
  int64_t sum = 0;
  for (int32_t& length : lengths) {
    length = 1 + bytes.below(positions);
    if (damage && bytes.once_in(6)) length = odd_size(bytes, positions);
    sum += length;
  }
  const bool wrong_sum = damage && bytes.once_in(3);
  const int64_t tokens = wrong_sum ? bytes.below(100) - 2 : sum;
  const size_t room = tokens > 0 && tokens < 1 << 16 ? size_t(tokens) : 1;
  std::vector<int32_t> ids(room), kinds(room);
  for (int32_t& id : ids) id = bytes.below(vocabulary);
  for (int32_t& kind : kinds) kind = types ? bytes.below(types) : bytes.byte();
  if (damage && bytes.once_in(3)) ids[bytes.below(int(room))] = odd_size(bytes, vocabulary);
  if (damage && bytes.once_in(3)) kinds[bytes.below(int(room))] = odd_size(bytes, types);
  std::vector<float> start(room, 7.f), end(room, 7.f);
  int32_t done = -7;
  pq_request request{ids.data(), kinds.data(), lengths.data(), tokens, int32_t(lengths.size()),
                     1 + bytes.below(3), odd_time(bytes), odd_time(bytes)};
  if (bytes.once_in(4)) request.types = nullptr;
  if (damage) {
    switch (bytes.below(8)) {
      case 0: request.ids = nullptr; break;
      case 1: request.lengths = nullptr; break;
      case 2: request.windows = -bytes.below(3); break;
      case 3: request.threads = odd_size(bytes, 1) % 4; break;
      default: break;
    }
  }
  const bool null = damage && bytes.once_in(8);
  const int32_t status = pq_read(model, &request, null ? nullptr : start.data(), end.data(), &done,
                                 message.text.get(), message.room);
  message.check(status);
  if (status == PQ_OK) EXPECT(done >= 1 && done <= request.windows);
  if (status == PQ_INVALID) EXPECT(done == -7 && start[0] == 7.f && end[0] == 7.f);
  EXPECT(status != PQ_STOPPED);
}

void embed(pq_model* model, Bytes& bytes, int vocabulary, int positions, int hidden) {
  Message message(bytes);
  std::vector<int32_t> lengths(1 + bytes.below(4));
  int64_t tokens = 0;
  for (int32_t& length : lengths) {
    length = 1 + bytes.below(positions);
    if (bytes.once_in(16)) length = odd_size(bytes, positions);
    tokens += length;
  }
  if (bytes.once_in(16)) tokens = odd_size(bytes, 4);
  std::vector<int32_t> ids(tokens > 0 && tokens < 1 << 16 ? size_t(tokens) : 1);
  for (int32_t& id : ids) id = bytes.below(vocabulary);
  if (bytes.once_in(8)) ids[0] = odd_size(bytes, vocabulary);
  std::vector<float> vectors(lengths.size() * size_t(hidden), 7.f);
  int32_t done = -7;
  const pq_request request{ids.data(), nullptr, lengths.data(), tokens, int32_t(lengths.size()),
                           1 + bytes.below(3), odd_time(bytes), odd_time(bytes)};
  const bool null = bytes.once_in(16);
  const int32_t status = pq_embed(bytes.once_in(16) ? nullptr : model, &request,
                                  null ? nullptr : vectors.data(), &done, message.text.get(),
                                  message.room);
  if (status != PQ_BROKEN) message.check(status);  // weights may be no numbers
  EXPECT(status != PQ_STOPPED);
  if (status == PQ_INVALID) EXPECT(done == -7 && vectors[0] == 7.f);
  if (status != PQ_OK) return;
  EXPECT(done >= 1 && done <= request.windows);
  for (int i = 0; i < done; i++) {
    double squares = 0;
    for (int k = 0; k < hidden; k++) squares += std::pow(double(vectors[i * hidden + k]), 2);
    EXPECT(std::fabs(squares - 1) < 1e-4);
  }
}

void nearest(Bytes& bytes) {
  Arrays arrays(bytes);
  Message message(bytes);
  const int width = 1 + bytes.below(140), count = 1 + bytes.below(700);
  const int64_t most = bytes.once_in(8) ? odd_size(bytes, count) : bytes.below(50);
  int8_t* rows = static_cast<int8_t*>(arrays.room(size_t(count) * width));
  for (int i = 0; i < count * width; i++) rows[i] = int8_t(i % 251 * 7 + i / 251);
  int8_t* query = static_cast<int8_t*>(arrays.room(width));
  for (int i = 0; i < width; i++) query[i] = int8_t(bytes.below(127) - 63);
  if (bytes.once_in(8)) query[bytes.below(width)] = int8_t(bytes.byte());
  uint8_t* allowed = static_cast<uint8_t*>(arrays.room(count));
  for (int i = 0; i < count; i++) allowed[i] = i % 3 == 0;
  pq_nearest_request request{rows, query, bytes.once_in(2) ? allowed : nullptr,
                             uint64_t(count) * width, count, width, 1 + bytes.below(3), most};
  if (bytes.once_in(3)) {
    switch (bytes.below(6)) {
      case 0: request.rows = nullptr; break;
      case 1: request.query = nullptr; break;
      case 2: request.row_elements = bytes.word(); break;
      case 3: request.count = int64_t(bytes.word()); break;
      case 4: request.width = odd_size(bytes, width); break;
      default: request.threads = odd_size(bytes, 1) % 4; break;
    }
  }
  const size_t room = size_t(most < 0 ? 0 : most < count ? most : count);
  std::vector<pq_near> near(room + 1);
  int64_t found = -7;
  const int32_t status = pq_nearest(bytes.once_in(16) ? nullptr : &request, any_kernels(bytes),
                                    near.data(), &found, message.text.get(), message.room);
  message.check(status);
  if (status != PQ_OK) {
    EXPECT(found == -7);
    return;
  }
  EXPECT(found >= 0 && found <= int64_t(room));
  for (int64_t i = 0; i < found; i++) {
    const pq_near& last = near[i ? i - 1 : 0];
    EXPECT(near[i].row >= 0 && near[i].row < count);
    EXPECT(!request.allowed || allowed[near[i].row]);
    int64_t sum = 0;
    for (int k = 0; k < width; k++) sum += rows[near[i].row * width + k] * query[k];
    EXPECT(sum == near[i].product);
    if (i) EXPECT(last.product > sum || (last.product == sum && last.row < near[i].row));
  }
}

void model(Bytes& bytes) {
  Arrays arrays(bytes);
  Message message(bytes);
  const int heads = 1 + bytes.below(4), hidden = heads * (1 + bytes.below(20));
  const int width = bytes.once_in(3) ? 2 * (1 + bytes.below(20)) : hidden;
  const int inner = 1 + bytes.below(70), vocabulary = 1 + bytes.below(30);
  const int positions = 1 + bytes.below(40), types = bytes.below(3);
  const int layer_count = 1 + bytes.below(2);
  int kind = bytes.below(3) + PQ_FLOAT;
  if (kind == PQ_NIBBLES && (hidden % 2 || inner % 2)) kind = PQ_INT8;
  // which of its parts is damaged, of about 30; none of them in half of the cases
  int damaged = bytes.once_in(2) ? bytes.below(34) : -1;
  const auto hit = [&] { return damaged-- == 0; };
  int words = bytes.below(3) + PQ_FLOAT;
  if (width % 2 && words == PQ_NIBBLES) words = PQ_INT8;
  std::vector<pq_layer> layers;
  pq_weights weights{};
  weights.words = arrays.matrix(words, vocabulary, width, hit());
  weights.positions = arrays.matrix(PQ_FLOAT, positions, width, hit());
  if (types) weights.types = arrays.matrix(PQ_FLOAT, types, width, hit());
  weights.embedding_norm = arrays.norm(width, hit());
  if (width != hidden) weights.projection = arrays.linear(kind, hidden, width, hit());
  for (int i = 0; i < layer_count; i++) {
    pq_layer layer;
    for (pq_linear* part : {&layer.query, &layer.key, &layer.value, &layer.attention_output})
      *part = arrays.linear(kind, hidden, hidden, hit());
    layer.attention_norm = arrays.norm(hidden, hit());
    layer.intermediate = arrays.linear(kind, inner, hidden, hit());
    layer.output = arrays.linear(kind, hidden, inner, hit());
    layer.output_norm = arrays.norm(hidden, hit());
    layers.push_back(layer);
  }
  weights.layers = layers.data();
  weights.layer_count = layer_count;
  weights.heads = heads;
  weights.activation = bytes.below(3);
  weights.epsilon = 1e-12f;
  weights.head = arrays.linear(bytes.once_in(4) ? kind : int(PQ_FLOAT), 2, hidden, hit());
  const bool headless = bytes.once_in(4);
  if (headless) weights.head = {};
  if (hit()) weights.layer_count = -bytes.below(3);
  if (hit()) weights.layers = nullptr;
  if (hit()) weights.heads = odd_size(bytes, heads);
  if (hit()) weights.activation = odd_size(bytes, 2);
  if (hit()) weights.epsilon = odd_float(bytes);
  const int32_t precision = bytes.once_in(16) ? odd_size(bytes, 2) : bytes.below(2);
  pq_model* made = nullptr;
  const int32_t status = pq_model_create(&weights, precision, any_kernels(bytes), &made,
                                         message.text.get(), message.room);
  message.check(status);
  EXPECT((status == PQ_OK) == (made != nullptr));
  if (made) {
    EXPECT(pq_model_kernels(made)[0]);
    for (int i = bytes.below(4); i >= 0; i--) {
      if (headless || bytes.once_in(4))
        embed(made, bytes, vocabulary, positions, hidden);
      else
        read(made, bytes, vocabulary, types, positions);
    }
  }
  pq_model_free(made);
}

void linear(Bytes& bytes) {
  Arrays arrays(bytes);
  Message message(bytes);
  const int out = 1 + bytes.below(140), in = 1 + bytes.below(140);
  const int rows = bytes.once_in(16) ? -bytes.below(3) : 1 + bytes.below(20);
  const pq_linear layer =
      arrays.linear(bytes.once_in(2) ? PQ_FLOAT : PQ_INT8, out, in, bytes.once_in(3));
  // What was damaged may be valid: then x and y are of the shape that it has.
  const auto size = [](int64_t n) { return size_t(n > 0 && n < 1 << 20 ? n : 1); };
  uint64_t x_count = size(int64_t(rows) * layer.weight.columns);
  const float* x = arrays.array<float>(x_count, false);
  std::vector<float> y(size(int64_t(rows) * layer.weight.rows));
  const int32_t status =
      pq_linear_forward(bytes.once_in(16) ? nullptr : &layer, bytes.below(2), any_kernels(bytes), x,
                        rows, y.data(), message.text.get(), message.room);
  message.check(status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  if (bytes.once_in(8))
    nearest(bytes);
  else if (bytes.once_in(4))
    linear(bytes);
  else
    model(bytes);
  return 0;
}

#if !defined(PQ_LIBFUZZER)
int main(int argc, char** argv) {
  if (argc < 2) return fprintf(stderr, "usage: fuzz SECONDS [SEED]\n"), 2;
  const double seconds = atof(argv[1]);
  uint64_t state = (argc > 2 ? strtoull(argv[2], nullptr, 10) : 0) * 2654435761u + 88172645463325252u;
  const auto began = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  long cases = 0;
  uint8_t data[600];
  do {
    for (uint8_t& byte : data) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      byte = uint8_t(state >> 32);
    }
    LLVMFuzzerTestOneInput(data, sizeof data);
    cases++;
  } while (elapsed() < seconds);
  printf("%ld cases\n", cases);
  return 0;
}
#endif
