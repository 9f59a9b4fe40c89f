// Steps that several threads do together, of pieces that they take one after the other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

namespace pq {

#if defined(__x86_64__) || defined(_M_X64)
inline void relax() { __builtin_ia32_pause(); }
#else
inline void relax() { std::this_thread::yield(); }
#endif

// A step begins when all pieces of the one before are done. Nobody is waited for but threads that are
// in the middle of a piece: where the others come late or never, one thread does all.
//
// `pieces(step)` is how many pieces a step has, 0 or less where there is none more. It is called once
// for each step, before any of its pieces is taken.
template <class Pieces>
class Steps {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Steps(Pieces pieces) : pieces_(std::move(pieces)) { open(0); }

  // Called by each thread: `piece(step, number)` for the pieces that it takes. Returns when all steps
  // are done, with the time in which this thread waited for others. `piece` must not throw.
  template <class Piece>
  Clock::duration work(const Piece& piece) {
    Clock::duration waited{};
    Clock::time_point since;
    for (int idle = 0;;) {
      uint64_t at = next_.load(std::memory_order_acquire);
      const int step = int(at >> 32), left = int(at & 0xffffffff);
      if (left == 0 && step != OVER) {  // the last pieces are being done: soon there will be others
        if (!idle++) since = Clock::now();
        if (idle < SPINS)
          relax();
        else
          std::this_thread::yield();  // to whom may do such a piece
        continue;
      }
      if (idle) waited += Clock::now() - since;
      idle = 0;
      if (step == OVER) return waited;
      if (!next_.compare_exchange_weak(at, at - 1, std::memory_order_acq_rel)) continue;
      piece(step, left - 1);
      if (undone_.fetch_sub(1, std::memory_order_acq_rel) == 1) open(step + 1);
    }
  }

  // Whether all steps are done.
  bool over() const { return int(next_.load(std::memory_order_acquire) >> 32) == OVER; }

 private:
  static constexpr int OVER = 0x7fffffff, SPINS = 100;

  void open(int step) {
    const int pieces = pieces_(step);
    undone_.store(pieces, std::memory_order_relaxed);
    const uint64_t at = pieces > 0 ? uint64_t(step) << 32 | uint32_t(pieces) : uint64_t(OVER) << 32;
    next_.store(at, std::memory_order_release);
  }

  Pieces pieces_;
  std::atomic<uint64_t> next_{0};  // the step, and in the low half how many pieces nobody has taken
  std::atomic<int> undone_{0};
};

}  // namespace pq
