#include "encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "steps.h"

namespace pq {

namespace {

// Rows that pass through a layer's second half together: their activations stay in a core's cache.
constexpr int BLOCK = 96;
constexpr int TILE = 16;  // rows that some kernels read together
constexpr int ALONE = 50;  // windows that one thread reads after others were waited for

void check_linear(const pq_linear& linear, const std::string& name, int out, int in) {
  check(linear.weight, name + ".weight", out, in, false);
  check(linear.bias, name + ".bias", linear.weight.rows);
}

}  // namespace

const Kernels& find_kernels(const char* name) {
  std::string known;
  for (const Kernels* const* kernels = available_kernels(); *kernels; kernels++) {
    if (!name || !strcmp((*kernels)->name, name)) return **kernels;
    known += (known.empty() ? "" : ", ") + std::string((*kernels)->name);
  }
  throw Invalid("kernels " + std::string(name) + ": this machine can run " + known);
}

// What is known of a window of up to `tokens`.
struct Encoder::Workspace {
  int tokens;
  Buffer x, attended, codes, scales;

  Workspace(const Encoder& encoder, int tokens) : tokens(tokens) {
    const AttentionShape shape = encoder.shape(tokens, encoder.heads_);
    const size_t rows = (tokens + 15) / 16 * 16, hidden = padded(encoder.hidden_);
    x = Buffer(rows * hidden * sizeof(float));
    attended = Buffer(rows * shape.out_stride * sizeof(float));
    codes = Buffer(rows * hidden);
    scales = Buffer(rows * sizeof(float));
  }

  Codes codes_of(int row, int width) const {
    return {codes.as<uint8_t>() + size_t(row) * padded(width), scales.as<float>() + row};
  }
};

// The memory of a thread that does parts of a window of up to `tokens`.
struct Encoder::Scratch {
  int tokens;
  Buffer qkv, attention, wide, codes, scales;

  Scratch(const Encoder& encoder, int tokens) : tokens(tokens) {
    const AttentionShape shape = encoder.shape(tokens, encoder.heads_together());
    const size_t rows = std::min(BLOCK, (tokens + 15) / 16 * 16);
    const size_t most = padded(std::max(encoder.intermediate_, encoder.embedding_width_));
    qkv = Buffer(tokens * shape.in_stride * sizeof(float));
    attention = Buffer(shape.scratch());
    wide = Buffer(rows * most * sizeof(float));
    codes = Buffer(rows * std::max(most, shape.out_stride));
    scales = Buffer(rows * sizeof(float));
  }

  Codes all_codes() const { return {codes.as<uint8_t>(), scales.as<float>()}; }
};

Encoder::Encoder(const pq_weights& weights, pq_precision precision, const Kernels& kernels)
    : kernels_(kernels), fp32_(precision == PQ_PRECISION_FP32), epsilon_(weights.epsilon) {
  check(weights.words, "words", -1, -1, true);
  words_ = weights.words;
  embedding_width_ = words_.columns;
  check(weights.positions, "positions", -1, embedding_width_, true);
  positions_ = padded_rows(weights.positions);
  positions_count_ = weights.positions.rows;
  if (weights.types.kind != PQ_NONE) {
    check(weights.types, "types", -1, embedding_width_, true);
    types_ = padded_rows(weights.types);
    types_count_ = weights.types.rows;
  }
  embedding_norm_ = make_norm(weights.embedding_norm, "embedding_norm", embedding_width_);

  if (!weights.layers || weights.layer_count < 1)
    throw Invalid("a model of " + std::to_string(weights.layer_count) + " layers; expected 1 or more");
  hidden_ = weights.layers[0].query.weight.rows;
  if (weights.head.weight.kind != PQ_NONE) {
    check_linear(weights.head, "head", 2, -1);
    hidden_ = weights.head.weight.columns;
  }
  if (hidden_ < 1 || hidden_ > MOST_COLUMNS)
    throw Invalid("a width of " + std::to_string(hidden_) + "; expected 1 to " +
                  std::to_string(MOST_COLUMNS));
  if (weights.projection.weight.kind != PQ_NONE) {
    check_linear(weights.projection, "projection", hidden_, embedding_width_);
    projection_ = std::make_unique<Linear>(
        std::vector<Part>{{weights.projection, in_order(hidden_), 1}}, in_order(embedding_width_),
        precision, kernels, "projection");
  } else if (hidden_ != embedding_width_) {
    throw Invalid("embeddings of width " + std::to_string(embedding_width_) +
                  " without a projection, and layers of width " + std::to_string(hidden_));
  }
  heads_ = weights.heads;
  if (heads_ < 1 || hidden_ % heads_)
    throw Invalid(std::to_string(heads_) + " heads do not divide a width of " +
                  std::to_string(hidden_));
  head_width_ = hidden_ / heads_;
  if (!(epsilon_ >= 0) || std::isinf(epsilon_))
    throw Invalid("an epsilon of " + std::to_string(epsilon_) + "; expected 0 or more");
  switch (weights.activation) {
    case PQ_GELU: activation_ = Epilogue::gelu; break;
    case PQ_GELU_NEW: activation_ = Epilogue::gelu_new; break;
    case PQ_RELU: activation_ = Epilogue::relu; break;
    default: throw Invalid("activation " + std::to_string(weights.activation) + " is not known");
  }
  intermediate_ = weights.layers[0].intermediate.weight.rows;
  layers_.reserve(weights.layer_count);
  for (int i = 0; i < weights.layer_count; i++)
    add_layer(weights.layers[i], "layers[" + std::to_string(i) + "].");
  has_head_ = weights.head.weight.kind != PQ_NONE;
  if (!has_head_) return;
  head_ = padded_rows(weights.head.weight);
  head_bias_ = padded_vector(weights.head.bias);
}

Encoder::~Encoder() = default;

Encoder::Norm Encoder::make_norm(const pq_norm& norm, const std::string& name, int width) const {
  check(norm.gain, name + ".gain", width);
  check(norm.bias, name + ".bias", width);
  Norm made{padded_vector(norm.gain), padded_vector(norm.bias), {}};
  made.weights = {width, made.gain.as<float>(), made.bias.as<float>(), epsilon_};
  return made;
}

void Encoder::add_layer(const pq_layer& layer, const std::string& name) {
  check_linear(layer.query, name + "query", hidden_, hidden_);
  check_linear(layer.key, name + "key", hidden_, hidden_);
  check_linear(layer.value, name + "value", hidden_, hidden_);
  check_linear(layer.attention_output, name + "attention_output", hidden_, hidden_);
  check_linear(layer.intermediate, name + "intermediate", intermediate_, hidden_);
  check_linear(layer.output, name + "output", hidden_, intermediate_);
  const Places hidden = in_order(hidden_);
  const pq_precision precision = fp32_ ? PQ_PRECISION_FP32 : PQ_PRECISION_INT8;
  const auto pack = [&](const std::vector<Part>& parts, const Places& columns, const char* part) {
    return Linear(parts, columns, precision, kernels_, name + part);
  };
  // softmax(q k / sqrt(d)) = 2^(q' k - ...) with this factor in q'
  const float factor = 1.44269504f / std::sqrt(float(head_width_));
  std::vector<Heads> heads;
  for (int first = 0; first < heads_; first += heads_together()) {
    const int count = std::min(heads_together(), heads_ - first);
    const Places rows = in_heads(first, count, head_width_);
    heads.push_back(
        {first, count,
         pack({{layer.query, rows, factor}, {layer.key, rows, 1}, {layer.value, rows, 1}}, hidden,
              "query, key or value")});
  }
  layers_.push_back({
      std::move(heads),
      pack({{layer.attention_output, hidden, 1}}, in_heads(0, heads_, head_width_),
           "attention_output"),
      pack({{layer.intermediate, in_order(intermediate_), 1}}, hidden, "intermediate"),
      pack({{layer.output, hidden, 1}}, in_order(intermediate_), "output"),
      make_norm(layer.attention_norm, name + "attention_norm", hidden_),
      make_norm(layer.output_norm, name + "output_norm", hidden_),
  });
}

// ---- reading ----

pq_status Encoder::read(const pq_request& request, float* start, float* end, int32_t* done,
                        const AfterWindow& after_window) {
  if (!has_head_) throw Invalid("a model without a head; it can only embed");
  return run(request, done, [&](int32_t window, int64_t at, int tokens, const float* x) {
    kernels_.head(x, tokens, hidden_, head_.as<float>(), head_bias_.as<float>(), start + at,
                  end + at);
    return after_window ? after_window(window, start + at, end + at) : PQ_OK;
  });
}

pq_status Encoder::embed(const pq_request& request, float* vectors, int32_t* done) {
  return run(request, done, [&](int32_t window, int64_t, int tokens, const float* x) {
    float* mean = vectors + size_t(window) * hidden_;  // its sum: only the direction counts
    const size_t stride = padded(hidden_);
    std::copy(x, x + hidden_, mean);
    for (int t = 1; t < tokens; t++)
      for (int i = 0; i < hidden_; i++) mean[i] += x[t * stride + i];
    double squares = 0;
    for (int i = 0; i < hidden_; i++) squares += double(mean[i]) * mean[i];
    const double length = std::sqrt(squares);
    if (!(length > 0) || std::isinf(length)) return PQ_BROKEN;
    for (int i = 0; i < hidden_; i++) mean[i] = float(mean[i] / length);
    return PQ_OK;
  });
}

pq_status Encoder::run(const pq_request& request, int32_t* done, const Finish& finish) {
  check_request(request);
  const auto after = [now = Clock::now()](double seconds) {
    if (!(seconds > 0) || seconds > 1e9) return Clock::time_point::max();
    return now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  const auto deadline = after(request.deadline), pause = after(request.pause);
  std::vector<int64_t> first(request.windows);  // the first token of each window
  int32_t longest = 0;
  for (int32_t i = 0; i < request.windows; i++) {
    if (i > 0) first[i] = first[i - 1] + request.lengths[i - 1];
    longest = std::max(longest, request.lengths[i]);
  }
  // Several windows are read at once, each by one thread; a single one by all.
  const int helpers = std::min(request.threads, request.windows) - 1;
  const int threads = request.windows > 1 ? 1 : request.threads;
  std::atomic<int32_t> next{0}, read{0};
  std::atomic<int> status{PQ_OK};
  const auto work = [&] {
    try {
      std::unique_ptr<Workspace> space = workspaces_.take(*this, longest);
      while (status.load() == PQ_OK) {
        if (read.load() > 0 && Clock::now() >= pause) break;
        const int32_t i = next.fetch_add(1);
        if (i >= request.windows) break;
        const int64_t at = first[i];
        pq_status ended = window(request.ids + at, request.types ? request.types + at : nullptr,
                                 request.lengths[i], threads, deadline, *space);
        if (ended == PQ_OK) ended = finish(i, at, request.lengths[i], space->x.as<float>());
        if (ended != PQ_OK) status.store(ended);
        read.fetch_add(1);
      }
      workspaces_.keep(std::move(space));
    } catch (const std::bad_alloc&) {
      status.store(PQ_MEMORY);
    } catch (...) {
      status.store(PQ_INTERNAL);
    }
  };
  if (helpers > 0)
    pool_.get().run(helpers, work);
  else
    work();
  // Every window that was begun was finished, and windows are begun in order.
  if (status.load() == PQ_OK) *done = std::min(next.load(), request.windows);
  return static_cast<pq_status>(status.load());
}

void Encoder::check_request(const pq_request& request) const {
  if (request.windows < 1 || !request.lengths || !request.ids)
    throw Invalid(std::to_string(request.windows) + " windows; expected 1 or more, with ids");
  if (request.threads < 1)
    throw Invalid(std::to_string(request.threads) + " threads; expected 1 or more");
  int64_t tokens = 0;
  for (int32_t i = 0; i < request.windows; i++) {
    const int32_t length = request.lengths[i];
    if (length < 1 || length > positions_count_)
      throw Invalid("window " + std::to_string(i) + " has " + std::to_string(length) +
                    " tokens; expected 1 to " + std::to_string(positions_count_));
    tokens += length;
  }
  if (tokens != request.tokens)
    throw Invalid("windows of " + std::to_string(tokens) + " tokens in all, but " +
                  std::to_string(request.tokens) + " ids");
  for (int64_t i = 0; i < tokens; i++) {
    if (request.ids[i] < 0 || request.ids[i] >= words_.rows)
      throw Invalid("token id " + std::to_string(request.ids[i]) + "; expected 0 to " +
                    std::to_string(words_.rows - 1));
    if (request.types && types_count_ && (request.types[i] < 0 || request.types[i] >= types_count_))
      throw Invalid("token type " + std::to_string(request.types[i]) + "; expected 0 to " +
                    std::to_string(types_count_ - 1));
  }
}

pq_status Encoder::interrupted(Clock::time_point deadline) const {
  if (stopped_.load(std::memory_order_relaxed)) return PQ_STOPPED;
  return deadline != Clock::time_point::max() && Clock::now() >= deadline ? PQ_DEADLINE : PQ_OK;
}

// Fewer than the caller has where the window is small, for a thread that helps has to be woken; and
// where the cores are busy, for a thread that has to wait for one keeps the others waiting.
int Encoder::threads_for(int tokens, int threads) {
  const double layer = 4. * hidden_ * hidden_ + 2. * hidden_ * intermediate_;
#if defined(PQ_LEAST_PRODUCTS)  // by builds that check themselves
  constexpr double least = PQ_LEAST_PRODUCTS;
#else
  const double least = kernels_.least_products;
#endif
  const double worth = layer * layers_.size() * tokens / least;
  threads = std::max(1, int(std::min({double(threads), worth, double((tokens + 2 * TILE - 1) / (2 * TILE))})));
  if (threads > 1 && alone_.load() > 0) {
    alone_.fetch_sub(1);
    return 1;
  }
  return threads;
}

pq_status Encoder::window(const int32_t* ids, const int32_t* types, int tokens, int threads,
                          Clock::time_point deadline, Workspace& space) {
  const int layers = int(layers_.size());
  threads = threads_for(tokens, threads);
  // Blocks of about as many tokens, a whole number for each thread.
  const int rounds = (tokens + threads * BLOCK - 1) / (threads * BLOCK);
  const int tiles = (tokens + TILE - 1) / TILE;
  const int block = (tiles + threads * rounds - 1) / (threads * rounds) * TILE;

  // The steps with odd numbers are the attention of a layer, some heads a piece; those before, between
  // and after them are all else, a block a piece.
  pq_status status = PQ_OK;
  Steps steps([&](int step) {
    if (step > 2 * layers) return 0;
    if (step % 2 == 0) return (tokens + block - 1) / block;
    status = interrupted(deadline);
    return status == PQ_OK ? int(layers_[0].heads.size()) : 0;
  });
  std::atomic<Clock::rep> waited{0};
  const auto work = [&] {
    std::unique_ptr<Scratch> scratch;
    try {
      scratch = scratches_.take(*this, tokens);
    } catch (const std::bad_alloc&) {
      return;  // another thread does all
    }
    const Clock::duration time = steps.work([&](int step, int piece) {
      const int layer = step / 2;
      if (step % 2) return attend(layers_[layer].heads[piece], tokens, space, *scratch);
      const Rows rows{piece * block, std::min(block, tokens - piece * block)};
      if (layer == 0)
        add_embeddings(ids, types, rows, space, *scratch);
      else
        transform(layers_[layer - 1], rows, space, *scratch);
    });
    waited.fetch_add(time.count());
    scratches_.keep(std::move(scratch));
  };
  if (threads > 1) {
    const auto began = Clock::now();
    pool_.get().run(threads - 1, work);
    if (2 * waited.load() > (Clock::now() - began).count() * (threads - 1)) alone_.store(ALONE);
  } else {
    work();
  }
  if (!steps.over()) throw std::bad_alloc();
  return status;
}

void Encoder::add_embeddings(const int32_t* ids, const int32_t* types, Rows rows, Workspace& space,
                             Scratch& scratch) const {
  const int width = embedding_width_;
  const size_t stride = padded(width), hidden = padded(hidden_);
  float* x = space.x.as<float>() + rows.first * hidden;
  float* embeddings = projection_ ? scratch.wide.as<float>() : x;
  for (int t = 0; t < rows.count; t++) prefetch_row(words_, ids[rows.first + t]);
  for (int t = 0; t < rows.count; t++) {
    const int at = rows.first + t;
    float* row = embeddings + t * stride;
    unpack_row(words_, ids[at], row);
    const float* position = positions_.as<float>() + at * stride;
    if (types_count_) {
      const float* type = types_.as<float>() + (types ? types[at] : 0) * stride;
      for (int i = 0; i < width; i++) row[i] += type[i] + position[i];
    } else {
      for (int i = 0; i < width; i++) row[i] += position[i];
    }
    std::fill(row + width, row + stride, 0.f);
  }
  const Codes codes = space.codes_of(rows.first, hidden_);
  const Codes embedded = projection_ ? scratch.all_codes() : codes;
  norm(embeddings, rows.count, embedding_norm_, &embedded);
  if (!projection_) return;
  multiply(*projection_, embeddings, embedded, rows.count, Epilogue::store, x);
  if (!fp32_) kernels_.quantise(x, rows.count, hidden_, codes);
}

// As few as fill whole panels of every kernel.
int Encoder::heads_together() const {
  const int width = (head_width_ + HEAD_MULTIPLE - 1) / HEAD_MULTIPLE * HEAD_MULTIPLE;
  int together = 1;
  while (together < heads_ && 3 * together * width % ALIGNMENT) together++;
  return together;
}

AttentionShape Encoder::shape(int tokens, int heads) const {
  const int width = (head_width_ + HEAD_MULTIPLE - 1) / HEAD_MULTIPLE * HEAD_MULTIPLE;
  return {tokens, heads, width, size_t(padded(3 * heads * width)), size_t(padded(heads_ * width))};
}

void Encoder::attend(const Heads& heads, int tokens, Workspace& space, Scratch& scratch) const {
  const auto attention = fp32_ ? kernels_.attention_fp32 : kernels_.attention;
  const AttentionShape shape = this->shape(tokens, heads.count);
  const size_t width = shape.head_width;
  float *qkv = scratch.qkv.as<float>(), *out = space.attended.as<float>() + heads.first * width;
  multiply(heads.input, space.x.as<float>(), space.codes_of(0, hidden_), tokens, Epilogue::store, qkv);
  for (int i = 0; i < heads.count; i++)
    attention(qkv + i * width, shape, out + i * width, scratch.attention.as<void>());
}

void Encoder::transform(const Layer& layer, Rows rows, Workspace& space, Scratch& scratch) const {
  const int count = rows.count, attended = int(shape(1, heads_).out_stride);
  float* x = space.x.as<float>() + rows.first * size_t(padded(hidden_));
  const float* from = space.attended.as<float>() + rows.first * size_t(attended);
  float* up = scratch.wide.as<float>();
  const Codes codes = space.codes_of(rows.first, hidden_), inner = scratch.all_codes();
  if (!fp32_) kernels_.quantise(from, count, attended, inner);
  multiply(layer.attention_output, from, inner, count, Epilogue::residual, x);
  norm(x, count, layer.attention_norm, &codes);
  multiply(layer.up, x, codes, count, activation_, up);
  if (!fp32_) kernels_.quantise(up, count, intermediate_, inner);
  multiply(layer.down, up, inner, count, Epilogue::residual, x);
  norm(x, count, layer.output_norm, &layer == &layers_.back() ? nullptr : &codes);
}

void Encoder::multiply(const Linear& linear, const float* x, const Codes& codes, int rows,
                       Epilogue epilogue, float* out) const {
  const Packed& packed = linear.packed();
  if (fp32_)
    kernels_.linear_fp32(x, rows, packed, epilogue, out, packed.out);
  else
    kernels_.linear_int8(codes, rows, packed, epilogue, out, packed.out);
}

void Encoder::norm(float* x, int rows, const Norm& norm, const Codes* codes) const {
  kernels_.norm(x, rows, norm.weights, fp32_ ? nullptr : codes);
}

}  // namespace pq
