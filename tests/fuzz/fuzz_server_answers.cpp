// What a server says to the command line client: its answers, its socket's messages, Retry-After,
// and the table, CSV and JSON made of it. Input: one byte that chooses, then the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include <nlohmann/json.hpp>

#include "client/core/server_url.h"
#include "client/text/display.h"
#include "client/text/result_format.h"
#include "client/text/server_answers.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec::client;
using imgrec::fuzz::require;

bool obeyed_by_terminals(char c) { return (c >= 0 && c < ' ' && c != '\n') || c == 0x7F; }

// Ids go into paths, texts to a terminal.
void check_image(const ServerImage& image) {
  require(!image.id.text.empty() && image.id.text.size() <= 64);
  require(image.id.text.find_first_of("/?#%. \r\n") == std::string::npos);
  require(image.state != ImageState::kDone || !image.top.empty());
  for (const Prediction& p : image.top) require(p.score >= 0 && p.score <= 1);
  require(nlohmann::json::parse(image.json, nullptr, false).is_object());
  TellOutcome outcome;
  outcome.kind = image.state == ImageState::kDone ? OutcomeKind::kRecognised : OutcomeKind::kFailed;
  outcome.image = image;
  outcome.code = image.error_code;
  outcome.detail = image.error_detail;
  for (const std::size_t width : {0u, 20u, 80u}) {
    const auto table = make_result_format(
        {.kind = OutputKind::kTable, .top = 3, .width = width, .longest_path = 9});
    const std::string row = table->row("photo.jpg", outcome);
    require(std::none_of(row.begin(), row.end(), obeyed_by_terminals));
  }
  const auto lines = make_result_format({.kind = OutputKind::kJsonLines, .top = 3});
  const std::string line = lines->row("photo.jpg", outcome);
  require(nlohmann::json::parse(line, nullptr, false).is_object());
  require(std::none_of(line.begin(), line.end(), obeyed_by_terminals));
  (void)make_result_format({.kind = OutputKind::kCsv, .top = 3})->row("photo.jpg", outcome);
}

void check_failure(const Failure& failure) {
  require(!failure.code.empty() && failure.detail.size() <= 1000);
  require(std::none_of(failure.detail.begin(), failure.detail.end(), obeyed_by_terminals));
}

template <class Value>
void check(const std::variant<Value, Failure>& answer) {
  if (const auto* failure = std::get_if<Failure>(&answer)) return check_failure(*failure);
  if constexpr (std::is_same_v<Value, ServerImage>) {
    check_image(std::get<ServerImage>(answer));
  } else {
    for (const ServerImage& image : std::get<ImagePage>(answer).images) check_image(image);
  }
}

void check_url(std::string_view text) {
  const auto url = parse_server_url(text);
  if (!url.ok()) return;
  require(url->text().find_first_of("\r\n ") == std::string::npos);
  const auto again = parse_server_url(url->text());
  require(again.ok() && again->text() == url->text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr int kStatuses[] = {200, 202, 400, 404, 415, 429, 500};
  const HttpAnswer answer{kStatuses[(data[0] / 8) % 7], std::string(text.substr(0, 40)),
                          std::string(text)};
  switch (data[0] % 8) {
    case 0:
      check(read_upload_answer(answer, 0));
      break;
    case 1:
      check(read_page_answer(answer, 0));
      break;
    case 2:
      check(read_image_answer(answer, 0));
      break;
    case 3:
      check_failure(read_refused_upgrade(answer, 0));
      break;
    case 4:
      if (const auto event = read_socket_message(text)) {
        if (const auto* result = std::get_if<SocketResult>(&*event)) check_image(result->image);
      }
      break;
    case 5:
      check_url(text);
      break;
    case 6:
      require(display_width(fit(harmless(text), 1 + data[0] / 8, data[0] > 99)) ==
              std::size_t(1 + data[0] / 8));
      require(harmless(harmless(text)) == harmless(text));
      break;
    default:
      (void)parse_retry_after(text, 784111777);
      break;
  }
  return 0;
}
