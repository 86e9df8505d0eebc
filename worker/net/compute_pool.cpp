#include "worker/net/compute_pool.h"

#include <chrono>
#include <exception>
#include <optional>
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

// Runs `call`; what it threw, in words. Nothing: it did not throw.
template <class Call>
std::optional<std::string> thrown_by(Call call) {
  try {
    call();
    return std::nullopt;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of unknown type";
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
  const auto thrown = thrown_by([&] { status = engine_.warm_up_this_thread(); });
  if (thrown) status = Status(StatusCode::kInternal, engine_threw(*thrown).text);
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
    const auto thrown = thrown_by([&] {
      auto result = engine_.prepare(*image);
      if (auto* failure = std::get_if<EngineFailure>(&result)) {
        done.result = std::move(*failure);
      } else {
        done.result = Shared(std::get<std::unique_ptr<PreparedImage>>(std::move(result)));
      }
    });
    if (thrown) done.result = engine_threw(*thrown);
    done.decode = since(start);
    return done;
  });
}

void ComputePool::infer(StartInfer what) {
  infer_queue_.push([this, what = std::move(what)]() -> Event {
    std::vector<const PreparedImage*> images;
    InferDone done;
    for (const StartInfer::Picture& picture : what.pictures) {
      images.push_back(picture.image.get());
      done.pictures.push_back({picture.work, EngineFailure{}});
    }
    const auto start = Clock::now();
    std::vector<InferResult> results;
    const auto thrown = thrown_by([&] { results = engine_.infer(images, what.top_k); });
    done.inference = since(start);
    const std::string complaint = thrown.value_or("fewer answers than pictures");
    for (std::size_t i = 0; i < done.pictures.size(); ++i) {
      done.pictures[i].result =
          i < results.size() ? std::move(results[i]) : engine_threw(complaint);
    }
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
