// The threads that compute: decoders run Engine::prepare, streams run Engine::infer. They live as
// long as the pool, because a new thread's first inference costs tens of milliseconds more.
//
// Thread rule: start, prepare, infer, stop from one thread; results are posted to the executor.
// An engine's exception becomes a failure of the images in hand (kInternal, retriable).
// Owns: its threads and what is queued for them. Borrows the engine, which must outlive the pool,
// as must the executor's context.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "proto/messages.h"
#include "proto/status.h"
#include "worker/core/engine.h"
#include "worker/core/worker_core.h"

namespace imgrec::worker {

struct ComputePoolOptions {
  unsigned streams = 1;
  unsigned decoders = 1;
};

class ComputePool {
 public:
  // on_done: called on the executor, with PrepareDone or InferDone.
  ComputePool(Engine& engine, ComputePoolOptions options, boost::asio::any_io_executor executor,
              std::function<void(Event)> on_done);
  ~ComputePool();  // stop()
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  // Starts the threads. `ready` is called once, on the executor, when every stream is warm or one
  // cannot be.
  void start(std::function<void(Status)> ready);

  void prepare(WorkId work, proto::SharedBytes image);
  void infer(StartInfer what);

  // True while no thread has a piece of work in hand: stop() would return at once.
  bool idle() const { return busy_ == 0; }

  // Drops what has not begun, waits for what has, ends the threads. Work posted afterwards, and
  // results not delivered yet, are lost.
  void stop();

 private:
  // What a thread does, and what came of it.
  using Task = std::function<Event()>;

  // A queue of work that several threads take from.
  class Queue {
   public:
    void push(Task task);
    // Blocks; an empty function after close().
    Task pop();
    void close();

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> tasks_;  // guarded by mutex_
    bool closed_ = false;     // guarded by mutex_
  };

  void run(Queue& queue);
  void warm_up();
  void spawn(const std::string& name, std::function<void()> body);

  Engine& engine_;
  const ComputePoolOptions options_;
  const boost::asio::any_io_executor executor_;
  const std::function<void(Event)> on_done_;
  std::function<void(Status)> ready_;
  Queue decode_queue_;
  Queue infer_queue_;
  std::atomic<unsigned> busy_{0};
  std::mutex warm_mutex_;
  unsigned cold_ = 0;   // guarded by warm_mutex_: streams still warming up
  Status warm_status_;  // guarded by warm_mutex_: the first failure
  std::vector<std::thread> threads_;
};

}  // namespace imgrec::worker
