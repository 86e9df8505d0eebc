// A worker in a thread, with verbs and its log.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "tests/support/fake_engine.h"
#include "tests/support/fake_manager.h"
#include "worker/net/worker_runner.h"

namespace imgrec::worker::testing {

class RunnerFixture : public ::testing::Test {
 protected:
  explicit RunnerFixture(test::FakeEngineOptions model = {}) : engine_(std::move(model)) {
    using namespace std::chrono_literals;
    options_.name = "w1";
    options_.link.backoff = {1ms, 20ms, 10s};
    before_ = spdlog::default_logger();
    // What the worker logs; read it once the worker has left.
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~RunnerFixture() override {
    engine_.release();
    if (result_.valid()) leave();
    spdlog::set_default_logger(before_);
  }

  // Lets go of whatever a test holds up, so that the worker can leave.
  virtual void let_go() { engine_.release(); }

  void start(const std::vector<std::uint16_t>& ports) {
    for (const std::uint16_t port : ports) {
      options_.managers.push_back({"127.0.0.1", std::to_string(port)});
    }
    // The fixture's own engine, so that it has verbs; the runner does not delete it.
    runner_ = std::make_unique<WorkerRunner>(
        options_, std::shared_ptr<Engine>(std::shared_ptr<void>(), &engine_), loader_);
    result_ = std::async(std::launch::async, [this] { return runner_->run(); });
  }
  void start_with(test::FakeManager& manager) {
    start({manager.port()});
    ASSERT_TRUE(manager.wait_registered(1));
  }
  WorkerExit exit() {
    if (result_.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "the worker did not leave";
      let_go();
      runner_->request_stop("the test is over");
    }
    return result_.get();
  }
  WorkerExit leave() {
    runner_->request_stop("SIGTERM");
    return exit();
  }

  WorkerRunnerOptions options_;
  test::FakeEngine engine_;
  EngineReopener loader_;  // of further models; empty: none
  std::unique_ptr<WorkerRunner> runner_;
  std::future<WorkerExit> result_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace imgrec::worker::testing
