// The C interface: checks what the parts do not, and turns exceptions into codes.
#include <cstring>
#include <new>

#include "encoder.h"
#include "pullquote.h"

struct pq_model {
  pq::Encoder encoder;
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
    default: return "an unknown exception";
  }
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
                            checked_precision(precision), chosen.panel, "linear");
    const size_t from = pq::padded(in), to = pq::padded(out);
    const pq::Buffer inputs(rows * from * sizeof(float)), results(rows * to * sizeof(float));
    const pq::Buffer codes(rows * from), scales(rows * sizeof(float));
    for (int32_t row = 0; row < rows; row++)
      memcpy(inputs.as<float>() + row * from, x + size_t(row) * in, in * sizeof(float));
    if (precision == PQ_PRECISION_INT8) {
      const pq::Codes quantised{codes.as<uint8_t>(), scales.as<float>()};
      chosen.quantise(inputs.as<float>(), rows, in, quantised);
      chosen.linear_int8(quantised, rows, packed.packed(), pq::Epilogue::store, results.as<void>(),
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
