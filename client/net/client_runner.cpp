#include "client/net/client_runner.h"

#include <array>
#include <cstdlib>
#include <ctime>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>
#include <sys/random.h>

#include "client/net/interrupts.h"
#include "client/net/result_socket.h"
#include "client/text/server_answers.h"

namespace imgrec::client {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kImages = "/api/v1/images";
constexpr std::chrono::milliseconds kProgressPeriod(100);
constexpr unsigned kPageSize = 200;

TimePoint now() { return std::chrono::steady_clock::now(); }

std::string path_of(const ImageId& id) { return std::string(kImages) + "/" + id.text; }

// A reader of client/text for what came, or what kept it from coming.
template <class Value, class Reader>
std::variant<Value, Failure> read(HttpClient::Answer&& answer, Reader reader) {
  if (auto* failure = std::get_if<Failure>(&answer)) return std::move(*failure);
  return reader(std::get<HttpAnswer>(answer), std::time(nullptr));
}

ClassifyOptions with_random(ClassifyOptions options) {
  options.random = [engine = std::mt19937_64(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
  return options;
}

}  // namespace

std::string random_hex() {
  std::array<unsigned char, 16> bits{};
  // Never short for 16 bytes once the kernel's pool is up, and it blocks until then.
  if (getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size())) std::abort();
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bits) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

ClientRunner::ClientRunner(RunnerOptions options, RunListener& listener)
    : options_(std::move(options)),
      listener_(listener),
      access_(std::make_shared<const ServerAccess>(options_.access)),
      run_key_(random_hex()),
      http_(io_, access_),
      core_(with_random(options_.classify)),
      timer_(io_),
      progress_timer_(io_) {}

RunResult ClientRunner::run() {
  const Interrupts interrupts(io_, [this] { on_event(Interrupted{}); });
  asio::post(io_, [this] { on_event(Started{}); });
  if (options_.wants_progress) show_progress();
  io_.run();
  result_.progress = core_.progress();
  result_.must_exit_hard = resolving_now() > 0;
  return std::move(result_);
}

void ClientRunner::on_event(Event event) {
  for (Action& action : core_.on_event(std::move(event), now())) {
    if (io_.stopped()) return;
    std::visit([this](auto&& a) { perform(std::move(a)); }, std::move(action));
  }
  arm_timer();
}

void ClientRunner::arm_timer() {
  const auto deadline = core_.next_deadline();
  if (!deadline) return;
  timer_.expires_at(*deadline);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec) on_event(Tick{});
  });
}

void ClientRunner::perform(StartUpload&& action) {
  const FileId file = action.file;
  auto upload = options_.open(file);
  if (!upload.ok()) {
    const bool empty = upload.status().code() == StatusCode::kFailedPrecondition;
    Failure failure{FailureKind::kLocal, empty ? "empty_file" : "unreadable",
                    upload.status().message()};
    asio::post(io_, [this, file, failure = std::move(failure)] {
      on_event(UploadEnded{file, failure});
    });
    return;
  }
  HttpCall call;
  call.method = "POST";
  call.path = with_top(std::string(kImages), '?');
  call.headers = {{"Content-Type", "application/octet-stream"},
                  {"X-Filename", percent_encode(upload->name)},
                  {"Idempotency-Key", run_key_ + "-" + std::to_string(file.value)}};
  call.body = std::move(upload->body);
  call.on_sent = [this, file](std::uint64_t sent) { on_event(UploadProgressed{file, sent}); };
  http_.call(std::move(call), [this, file](HttpClient::Answer answer) {
    on_event(UploadEnded{file, read<ServerImage>(std::move(answer), read_upload_answer)});
  });
}

void ClientRunner::perform(OpenSocket&& action) {
  open_result_socket(io_, access_, action.after,
                     [this](Event event) { on_event(std::move(event)); });
}

void ClientRunner::perform(ReadPage&& action) {
  HttpCall call;
  call.path = with_top(std::string(kImages) + "?limit=" + std::to_string(kPageSize), '&');
  if (!action.cursor.empty()) call.path += "&cursor=" + percent_encode(action.cursor);
  http_.call(std::move(call), [this](HttpClient::Answer answer) {
    on_event(PageRead{read<ImagePage>(std::move(answer), read_page_answer)});
  });
}

void ClientRunner::perform(ReadImage&& action) {
  HttpCall call;
  call.path = with_top(path_of(action.id), '?');
  http_.call(std::move(call), [this, id = action.id](HttpClient::Answer answer) {
    on_event(ImageRead{id, read<ServerImage>(std::move(answer), read_image_answer)});
  });
}

void ClientRunner::perform(DeleteImage&& action) {
  HttpCall call;
  call.method = "DELETE";
  call.path = path_of(action.id);
  http_.call(std::move(call), [this, id = action.id](HttpClient::Answer answer) {
    DeleteEnded ended{id, std::nullopt};
    if (auto* failure = std::get_if<Failure>(&answer)) {
      ended.failure = std::move(*failure);
    } else {
      ended.failure = read_delete_answer(std::get<HttpAnswer>(answer), std::time(nullptr));
    }
    on_event(std::move(ended));
  });
}

void ClientRunner::perform(TellOutcome&& action) {
  if (listener_.on_outcome(action)) return;
  result_.end = {Ending::kNoOutput, "standard output takes no more results"};
  io_.stop();
}

void ClientRunner::perform(TellNotDeleted&& action) { listener_.on_not_deleted(action); }

void ClientRunner::perform(End&& action) {
  result_.end = std::move(action);
  io_.stop();
}

void ClientRunner::show_progress() {
  listener_.on_progress(core_.progress());
  progress_timer_.expires_after(kProgressPeriod);
  progress_timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec) show_progress();
  });
}

std::string ClientRunner::with_top(std::string path, char separator) const {
  return path + separator + "top=" + std::to_string(options_.classify.top);
}

}  // namespace imgrec::client
