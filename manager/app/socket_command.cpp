#include "manager/app/socket_command.h"

#include <nlohmann/json.hpp>

namespace imgrec::manager {

std::optional<bool> read_cluster_command(std::string_view text) {
  // The size is bounded by the socket; depth too, before the parser recurses anywhere.
  const auto shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    return depth <= 4;
  };
  const auto command = nlohmann::json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!command.is_object() || command.value("type", nlohmann::json()) != "cluster") {
    return std::nullopt;
  }
  const auto on = command.find("on");
  return on != command.end() && on->is_boolean() && on->get<bool>();
}

}  // namespace imgrec::manager
