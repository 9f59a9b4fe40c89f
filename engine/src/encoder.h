// A model: token ids of a window in, logits or a vector out.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "kernels.h"
#include "matrix.h"
#include "pool.h"
#include "pullquote.h"

namespace pq {

// Raises `Invalid` for an unknown name; NULL is the best that the machine can run.
const Kernels& find_kernels(const char* name);

// Memory of earlier reads, for later ones; no lock, for forks.
template <class T>
class Spares {
 public:
  ~Spares() {
    for (auto& spare : spares_) delete spare.load();
  }

  // For windows of up to `tokens`.
  template <class Owner>
  std::unique_ptr<T> take(const Owner& owner, int tokens) {
    for (auto& spare : spares_) {
      std::unique_ptr<T> taken(spare.exchange(nullptr));
      if (taken && taken->tokens >= tokens) return taken;
    }
    return std::make_unique<T>(owner, tokens);
  }

  void keep(std::unique_ptr<T> used) {
    for (auto& spare : spares_) {
      T* none = nullptr;
      if (spare.compare_exchange_strong(none, used.get())) {
        used.release();
        return;
      }
    }
  }

 private:
  std::atomic<T*> spares_[16] = {};
};

class Encoder {
 public:
  // Copies all but the words table, which must outlive the encoder. Raises `Invalid`.
  Encoder(const pq_weights& weights, pq_precision precision, const Kernels& kernels);
  ~Encoder();

  const Kernels& kernels() const { return kernels_; }
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

  // What to do with the logits of a window as soon as it was read, in the thread that read it.
  using AfterWindow = std::function<pq_status(int32_t window, const float* start, const float* end)>;

  // See `pq_embed`. Raises `Invalid` before anything is read.
  pq_status embed(const pq_request& request, float* vectors, int32_t* done);

  // See `pq_read`. Raises `Invalid` before anything is read.
  pq_status read(const pq_request& request, float* start, float* end, int32_t* done,
                 const AfterWindow& after_window = nullptr);

 private:
  using Clock = std::chrono::steady_clock;
  struct Norm {
    Buffer gain, bias;
    NormWeights weights;
  };
  // Heads that attend one after the other, right after their queries, keys and values were computed:
  // these still lie in the core's cache.
  struct Heads {
    int first, count;
    Linear input;
  };
  struct Layer {
    std::vector<Heads> heads;
    Linear attention_output, up, down;
    Norm attention_norm, output_norm;
  };
  struct Workspace;
  struct Scratch;
  // Some tokens of a window, one after the other.
  struct Rows {
    int first, count;
  };
  // A window that was read: its number, its first token among all, and its last hidden states,
  // (tokens, padded(hidden_)).
  using Finish = std::function<pq_status(int32_t window, int64_t first, int tokens, const float* x)>;

  Norm make_norm(const pq_norm& norm, const std::string& name, int width) const;
  void add_layer(const pq_layer& layer, const std::string& name);
  void check_request(const pq_request& request) const;
  pq_status run(const pq_request& request, int32_t* done, const Finish& finish);
  int threads_for(int tokens, int threads);
  pq_status window(const int32_t* ids, const int32_t* types, int tokens, int threads,
                   Clock::time_point deadline, Workspace& space);
  // What comes before the layers, for some tokens; and the parts of a layer: for some heads of all
  // tokens, and for some tokens.
  void add_embeddings(const int32_t* ids, const int32_t* types, Rows rows, Workspace& space,
                      Scratch& scratch) const;
  void attend(const Heads& heads, int tokens, Workspace& space, Scratch& scratch) const;
  void transform(const Layer& layer, Rows rows, Workspace& space, Scratch& scratch) const;
  void multiply(const Linear& linear, const float* x, const Codes& codes, int rows,
                Epilogue epilogue, float* out) const;
  void norm(float* x, int rows, const Norm& norm, const Codes* codes) const;
  pq_status interrupted(Clock::time_point deadline) const;
  int heads_together() const;
  AttentionShape shape(int tokens, int heads) const;

  const Kernels& kernels_;
  const bool fp32_;
  bool has_head_ = false;
  int embedding_width_ = 0, hidden_ = 0, heads_ = 0, head_width_ = 0, intermediate_ = 0;
  int positions_count_ = 0, types_count_ = 0;
  float epsilon_ = 0;
  Epilogue activation_ = Epilogue::gelu;
  pq_matrix words_{};
  Buffer positions_, types_, head_, head_bias_;
  Norm embedding_norm_;
  std::unique_ptr<Linear> projection_;
  std::vector<Layer> layers_;

  std::atomic<bool> stopped_{false};
  std::atomic<int> alone_{0};  // windows that are to be read by one thread
  ProcessPool pool_;
  Spares<Workspace> workspaces_;
  Spares<Scratch> scratches_;
};

}  // namespace pq
