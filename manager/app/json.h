// The JSON of the public interface, as docs/architecture.md states it.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "manager/app/cluster_view.h"
#include "manager/core/image_record.h"
#include "manager/core/state_hints.h"
#include "manager/http/http_message.h"

namespace imgrec::manager {

inline constexpr unsigned kDefaultTop = 5;

nlohmann::ordered_json image_json(const ImageRecord& image, unsigned top = kDefaultTop);
nlohmann::ordered_json cluster_json(const ClusterView& view);

// Serialised; bytes that are no UTF-8 become replacement characters, never an exception.
std::string dump(const nlohmann::ordered_json& json);

HttpResponse json_response(int status, const nlohmann::ordered_json& json);

// "2026-11-23T21:04:28.123Z"
std::string rfc3339(WallTime time);

// The texts of the WebSocket, ready to be shared between sockets.
using SharedText = std::shared_ptr<const std::string>;
SharedText hello_event(std::uint64_t seq, const std::optional<ModelIdentity>& model);
SharedText image_event(const ImageRecord& image);
SharedText state_event(const StateHint& hint);
SharedText deleted_event(const ImageId& id);
SharedText cluster_event(const ClusterView& view);

}  // namespace imgrec::manager
