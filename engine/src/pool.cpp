#include "pool.h"

#include <algorithm>
#include <system_error>

#if defined(_WIN32)
static long process_id() { return 0; }  // no fork
#else
#include <unistd.h>
static long process_id() { return getpid(); }
#endif

namespace pq {

constexpr int SPINS = 20;

struct Pool::Job {
  const std::function<void()>& work;
  int helping = 0;
};

void Pool::run(int helpers, const std::function<void()>& work) {
  if (helpers < 1) return work();
  Job job{work};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    while (int(threads_.size()) < helpers) {
      try {
        threads_.emplace_back(&Pool::help, this);
      } catch (const std::system_error&) {
        break;
      }
    }
    for (int i = 0; i < helpers; i++) jobs_.push_back(&job);
  }
  for (int i = 0; i < helpers; i++) wanted_.notify_one();
  work();
  std::unique_lock<std::mutex> lock(mutex_);
  jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), &job), jobs_.end());
  for (int i = 0; i < SPINS && job.helping; i++) {  // most are about to leave: no need to sleep
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  left_.wait(lock, [&] { return job.helping == 0; });
}

void Pool::help() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wanted_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
    if (ending_) return;
    Job* job = jobs_.front();
    jobs_.pop_front();
    job->helping++;
    lock.unlock();
    job->work();
    lock.lock();
    job->helping--;
    left_.notify_all();
  }
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  wanted_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

struct ProcessPool::Owned {
  long process = process_id();
  Pool pool;
};

ProcessPool::~ProcessPool() {
  Owned* owned = current_.load();
  if (owned && owned->process == process_id()) delete owned;  // a parent's is left alone
}

Pool& ProcessPool::get() {
  Owned* current = current_.load();
  if (current && current->process == process_id()) return current->pool;
  auto mine = std::make_unique<Owned>();
  if (!current_.compare_exchange_strong(current, mine.get())) return get();
  return mine.release()->pool;
}

}  // namespace pq
