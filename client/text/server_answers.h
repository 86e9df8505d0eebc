// What the server says, read from its JSON: checked, bounded, and with the status codes told apart
// by what is to be done. Nothing is taken on trust: what makes no sense is a Failure.
//
// Thread rule: pure functions. Own nothing.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "client/core/classify_core.h"

namespace imgrec::client {

struct HttpAnswer {
  int status = 0;
  std::string retry_after;  // as sent; empty: none
  std::string body;
};

// `now`: for a Retry-After that is a date.
std::variant<ServerImage, Failure> read_upload_answer(const HttpAnswer& answer, std::time_t now);
std::variant<ImagePage, Failure> read_page_answer(const HttpAnswer& answer, std::time_t now);
std::variant<ServerImage, Failure> read_image_answer(const HttpAnswer& answer, std::time_t now);
// nullopt: it is deleted.
std::optional<Failure> read_delete_answer(const HttpAnswer& answer, std::time_t now);
// An upgrade that was answered with something else.
Failure read_refused_upgrade(const HttpAnswer& answer, std::time_t now);

// One message of the socket; nullopt for what is none, or of a kind that we do not know.
std::optional<Event> read_socket_message(std::string_view text);

// Seconds, or an HTTP date; nullopt where it is neither. Never negative.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text, std::time_t now);

}  // namespace imgrec::client
