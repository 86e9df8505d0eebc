#include "worker/net/compute_pool.h"

#include <chrono>
#include <exception>
#include <utility>

#include <boost/asio/post.hpp>
#include <pthread.h>

namespace imgrec::worker {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::microseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
}

EngineFailure engine_threw(const std::string& what) {
  return {proto::FailCode::kInternal, true, "The worker's engine failed: " + what};
}

// Runs `call`; an exception becomes a failure.
template <class T, class Call>
EngineResult<T> guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return engine_threw(error.what());
  } catch (...) {
    return engine_threw("an exception of unknown type");
  }
}

}  // namespace

void ComputePool::Queue::push(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

ComputePool::Task ComputePool::Queue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
  if (closed_) return {};
  auto task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

void ComputePool::Queue::close() {
  std::deque<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }
  changed_.notify_all();
}

ComputePool::ComputePool(Engine& engine, ComputePoolOptions options,
                         boost::asio::any_io_executor executor, std::function<void(Event)> on_done)
    : engine_(engine),
      options_(options),
      executor_(std::move(executor)),
      on_done_(std::move(on_done)) {}

ComputePool::~ComputePool() { stop(); }

void ComputePool::start(std::function<void(Status)> ready) {
  ready_ = std::move(ready);
  cold_ = options_.streams;
  busy_ += options_.streams;  // until each is warm
  for (unsigned i = 0; i < options_.decoders; ++i) {
    spawn("decode-" + std::to_string(i), [this] { run(decode_queue_); });
  }
  for (unsigned i = 0; i < options_.streams; ++i) {
    spawn("infer-" + std::to_string(i), [this] {
      warm_up();
      run(infer_queue_);
    });
  }
}

void ComputePool::spawn(const std::string& name, std::function<void()> body) {
  threads_.emplace_back(std::move(body));
  pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
}

void ComputePool::warm_up() {
  Status status;
  try {
    status = engine_.warm_up_this_thread();
  } catch (const std::exception& error) {
    status = Status(StatusCode::kInternal, engine_threw(error.what()).text);
  } catch (...) {
    status = Status(StatusCode::kInternal, engine_threw("an exception of unknown type").text);
  }
  --busy_;
  bool last = false;
  {
    const std::lock_guard lock(warm_mutex_);
    if (warm_status_.ok()) warm_status_ = status;
    last = --cold_ == 0;
    status = warm_status_;
  }
  if (last) boost::asio::post(executor_, [ready = ready_, status] { ready(status); });
}

void ComputePool::run(Queue& queue) {
  while (auto task = queue.pop()) {
    ++busy_;
    Event done = task();
    task = nullptr;  // the picture goes before the thread counts as idle
    --busy_;         // and it is idle before anybody hears of what it did
    boost::asio::post(executor_, [on_done = on_done_, done = std::move(done)]() mutable {
      on_done(std::move(done));
    });
  }
}

void ComputePool::prepare(WorkId work, proto::SharedBytes image) {
  decode_queue_.push([this, work, image = std::move(image)]() -> Event {
    using Shared = std::shared_ptr<const PreparedImage>;
    const auto start = Clock::now();
    PrepareDone done{work, EngineFailure{}, {}};
    done.result = guarded<Shared>([&]() -> EngineResult<Shared> {
      auto result = engine_.prepare(*image);
      if (auto* failure = std::get_if<EngineFailure>(&result)) return std::move(*failure);
      return Shared(std::get<std::unique_ptr<PreparedImage>>(std::move(result)));
    });
    done.decode = since(start);
    return done;
  });
}

void ComputePool::infer(WorkId work, std::shared_ptr<const PreparedImage> image, unsigned top_k) {
  infer_queue_.push([this, work, image = std::move(image), top_k]() -> Event {
    using Classes = std::vector<proto::ScoredClass>;
    const auto start = Clock::now();
    InferDone done{work, EngineFailure{}, {}};
    done.result = guarded<Classes>([&] { return engine_.infer(*image, top_k); });
    done.inference = since(start);
    return done;
  });
}

void ComputePool::stop() {
  decode_queue_.close();
  infer_queue_.close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace imgrec::worker
