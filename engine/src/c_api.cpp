// The C interface: checks what the parts do not, and turns exceptions into codes.
#include <algorithm>
#include <cstring>
#include <new>

#include "encoder.h"
#include "nearest.h"
#include "pullquote.h"
#include "spans.h"
#include "wordpiece.h"

struct pq_model {
  pq::Encoder encoder;
};

struct pq_tokenizer {
  pq::WordPiece wordpiece;
};

namespace {

void say(const char* text, char* message, uint64_t bytes) {
  if (!message || !bytes) return;
  const size_t length = std::min<size_t>(strlen(text), bytes - 1);
  memcpy(message, text, length);
  message[length] = 0;
}

// `run`, whose exceptions become codes and messages.
template <class Run>
int32_t guarded(char* message, uint64_t bytes, const Run& run) noexcept {
  try {
    return run();
  } catch (const pq::Invalid& error) {
    say(error.what(), message, bytes);
    return PQ_INVALID;
  } catch (const std::bad_alloc&) {
    say("no memory left", message, bytes);
    return PQ_MEMORY;
  } catch (const std::exception& error) {
    say(error.what(), message, bytes);
    return PQ_INTERNAL;
  } catch (...) {
    say("an unknown exception", message, bytes);
    return PQ_INTERNAL;
  }
}

void need(bool given, const char* name) {
  if (!given) throw pq::Invalid(std::string(name) + ": NULL");
}

pq_precision checked_precision(int32_t precision) {
  if (precision != PQ_PRECISION_INT8 && precision != PQ_PRECISION_FP32)
    throw pq::Invalid("precision " + std::to_string(precision) + " is not known");
  return static_cast<pq_precision>(precision);
}

const char* text_of(pq_status status) {
  switch (status) {
    case PQ_OK: return "";
    case PQ_MEMORY: return "no memory left";
    case PQ_DEADLINE: return "the deadline passed";
    case PQ_STOPPED: return "stopped";
    case PQ_BROKEN: return "the model gave numbers that are not finite; its weights are broken";
    default: return "an unknown exception";
  }
}

// Where the context tokens of each window begin among all. Raises `Invalid` unless places, offsets
// and windows fit each other; what else windows need is checked where they are read.
std::vector<int64_t> checked_places(const pq_find_request& request) {
  const pq_request& windows = request.windows;
  need(request.places && request.offsets && windows.lengths, "places, offsets or lengths");
  if (request.longest < 1 || request.most < 1)
    throw pq::Invalid("spans of up to " + std::to_string(request.longest) + " tokens, " +
                      std::to_string(request.most) + " a window; expected 1 or more of both");
  std::vector<int64_t> first;
  int64_t tokens = 0, all = 0;  // of the contexts, of the windows
  for (int32_t i = 0; i < windows.windows; i++) {
    const pq_place& place = request.places[i];
    const int32_t length = windows.lengths[i];
    if (place.first < 0 || place.count < 0 || place.first > length ||
        place.count > length - place.first || place.null_index < 0 || place.null_index >= length)
      throw pq::Invalid("window " + std::to_string(i) + " of " + std::to_string(length) +
                        " tokens: " + std::to_string(place.count) + " context tokens from " +
                        std::to_string(place.first) + ", null token " +
                        std::to_string(place.null_index));
    first.push_back(tokens);
    tokens += place.count;
    all += length;
  }
  if (all != windows.tokens)
    throw pq::Invalid("windows of " + std::to_string(all) + " tokens in all, but " +
                      std::to_string(windows.tokens) + " ids");
  if (tokens != request.offset_count)
    throw pq::Invalid("windows of " + std::to_string(tokens) + " context tokens, but offsets of " +
                      std::to_string(request.offset_count));
  return first;
}

}  // namespace

extern "C" {

int32_t pq_abi_version(void) { return PQ_ABI_VERSION; }

const char* const* pq_kernels(void) {
  struct Names {
    const char* names[8] = {};

    Names() {
      const pq::Kernels* const* kernels = pq::available_kernels();
      for (int i = 0; kernels[i]; i++) names[i] = kernels[i]->name;
    }
  };
  static const Names names;
  return names.names;
}

int32_t pq_model_create(const pq_weights* weights, int32_t precision, const char* kernels,
                        pq_model** model, char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(weights, "weights");
    need(model, "model");
    *model = new pq_model{
        {*weights, checked_precision(precision), pq::find_kernels(kernels)}};
    return PQ_OK;
  });
}

void pq_model_free(pq_model* model) { delete model; }

void pq_stop(pq_model* model) {
  if (model) model->encoder.stop();
}

const char* pq_model_kernels(const pq_model* model) {
  return model ? model->encoder.kernels().name : "";
}

int32_t pq_read(pq_model* model, const pq_request* request, float* start, float* end, int32_t* done,
                char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(model, "model");
    need(request, "request");
    need(start && end && done, "start, end or done");
    const pq_status status = model->encoder.read(*request, start, end, done);
    if (status != PQ_OK) say(text_of(status), message, message_bytes);
    return status;
  });
}

int32_t pq_find(pq_model* model, const pq_find_request* request, pq_span* spans, pq_found* found,
                int32_t* done, char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(model, "model");
    need(request, "request");
    need(spans && found && done, "spans, found or done");
    const std::vector<int64_t> first = checked_places(*request);
    const auto find = [&](int32_t window, const float* start, const float* end) {
      return pq::find_spans(request->places[window], request->offsets + 2 * first[window], start,
                            end, request->longest, request->most,
                            spans + size_t(window) * request->most, &found[window]);
    };
    std::vector<float> start(request->windows.tokens), end(request->windows.tokens);
    const pq_status status =
        model->encoder.read(request->windows, start.data(), end.data(), done, find);
    if (status != PQ_OK) say(text_of(status), message, message_bytes);
    return status;
  });
}

int32_t pq_embed(pq_model* model, const pq_request* request, float* vectors, int32_t* done,
                 char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(model, "model");
    need(request, "request");
    need(vectors && done, "vectors or done");
    const pq_status status = model->encoder.embed(*request, vectors, done);
    if (status != PQ_OK) say(text_of(status), message, message_bytes);
    return status;
  });
}

int32_t pq_nearest(const pq_nearest_request* request, const char* kernels, pq_near* near,
                   int64_t* found, char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(request, "request");
    need(near && found, "near or found");
    const std::vector<pq_near> best = pq::nearest(*request, pq::find_kernels(kernels));
    std::copy(best.begin(), best.end(), near);
    *found = int64_t(best.size());
    return PQ_OK;
  });
}

int32_t pq_tokenizer_create(const pq_vocabulary* vocabulary, pq_tokenizer** tokenizer,
                            char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(vocabulary, "vocabulary");
    need(tokenizer, "tokenizer");
    *tokenizer = new pq_tokenizer{pq::WordPiece(*vocabulary)};
    return PQ_OK;
  });
}

void pq_tokenizer_free(pq_tokenizer* tokenizer) { delete tokenizer; }

int32_t pq_tokenize(const pq_tokenizer* tokenizer, const uint32_t* text, uint64_t length,
                    int32_t* ids, int32_t* offsets, int32_t* words, uint64_t room, uint64_t* tokens,
                    char* message, uint64_t message_bytes) {
  return guarded(message, message_bytes, [&]() -> int32_t {
    need(tokenizer && tokens, "tokenizer or tokens");
    need(text || !length, "text");
    need((ids && offsets && words) || !room, "ids, offsets or words");
    pq::Tokens made;
    if (!tokenizer->wordpiece.tokenize(text, length, made)) {
      say("a code point whose normal form is not known here", message, message_bytes);
      return PQ_UNTESTED;
    }
    *tokens = made.ids.size();
    if (*tokens > room) return PQ_OK;
    std::copy(made.ids.begin(), made.ids.end(), ids);
    std::copy(made.offsets.begin(), made.offsets.end(), offsets);
    std::copy(made.words.begin(), made.words.end(), words);
    return PQ_OK;
  });
}

int32_t pq_linear_forward(const pq_linear* linear, int32_t precision, const char* kernels,
                          const float* x, int32_t rows, float* y, char* message,
                          uint64_t message_bytes) {
  return guarded(message, message_bytes, [&] {
    need(linear && x && y, "linear, x or y");
    if (rows < 1) throw pq::Invalid(std::to_string(rows) + " rows; expected 1 or more");
    const pq::Kernels& chosen = pq::find_kernels(kernels);
    pq::check(linear->weight, "weight", -1, -1, false);
    const int in = linear->weight.columns, out = linear->weight.rows;
    pq::check(linear->bias, "bias", out);
    const pq::Linear packed({{*linear, pq::in_order(out), 1}}, pq::in_order(in),
                            checked_precision(precision), chosen, "linear");
    const size_t from = pq::padded(in), to = pq::padded(out);
    const pq::Buffer inputs(rows * from * sizeof(float)), results(rows * to * sizeof(float));
    const pq::Buffer codes((rows + 15) * from), scales(rows * sizeof(float));
    for (int32_t row = 0; row < rows; row++)
      memcpy(inputs.as<float>() + row * from, x + size_t(row) * in, in * sizeof(float));
    if (precision == PQ_PRECISION_INT8) {
      const pq::Codes quantised{codes.as<uint8_t>(), scales.as<float>()};
      chosen.quantise(inputs.as<float>(), rows, in, quantised);
      chosen.linear_int8(quantised, rows, packed.packed(), pq::Epilogue::store, results.as<float>(),
                         to);
    } else {
      chosen.linear_fp32(inputs.as<float>(), rows, packed.packed(), pq::Epilogue::store,
                         results.as<float>(), to);
    }
    for (int32_t row = 0; row < rows; row++)
      memcpy(y + size_t(row) * out, results.as<float>() + row * to, out * sizeof(float));
    return PQ_OK;
  });
}

}  // extern "C"
