// Threads that help a caller with its work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace pq {

// Starts threads when they are first needed, keeps them until it is destroyed. Several callers may
// use a pool at once.
class Pool {
 public:
  Pool() = default;
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Run `work` in the calling thread and in up to `helpers` others; returns when all have returned.
  // Helpers that are busy elsewhere until the caller is done are not waited for. `work` must not
  // throw. With fewer threads than wanted (the system has no more), fewer help.
  void run(int helpers, const std::function<void()>& work);

 private:
  struct Job;
  void help();

  std::mutex mutex_;
  std::condition_variable wanted_, left_;
  std::deque<Job*> jobs_;  // one entry for each helper that a job still wants
  std::vector<std::thread> threads_;
  bool ending_ = false;
};

// The pool of this process. Threads do not survive a fork, and a lock may be held for ever: a child
// leaves its parent's pool alone and makes its own.
class ProcessPool {
 public:
  ~ProcessPool();
  Pool& get();

 private:
  struct Owned;
  std::atomic<Owned*> current_{nullptr};
};

}  // namespace pq
