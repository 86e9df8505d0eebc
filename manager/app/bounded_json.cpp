#include "manager/app/bounded_json.h"

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace imgrec::manager {
namespace {

using Json = nlohmann::json;

// Builds the tree; a method that answers false ends the reading.
class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit TreeBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return put(nullptr) != nullptr; }
  bool boolean(bool value) override { return put(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return put(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return put(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return put(value) != nullptr;
  }
  bool string(string_t& value) override { return put(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    name_ = std::move(name);
    if (!open_.back()->contains(name_)) return true;
    return fail(StatusCode::kInvalidArgument, "a name stands twice in one object of the JSON");
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(StatusCode::kInvalidArgument,
                "the JSON is malformed at byte " + std::to_string(position));
  }

  Result<Json> take(bool complete) {
    if (complete) return std::move(root_);
    if (!failure_.ok()) return failure_;
    return Status(StatusCode::kInvalidArgument, "the JSON is malformed");
  }

 private:
  // Where the value is now; null where it is one too many.
  Json* put(Json value) {
    if (++values_ > limits_.max_values) {
      fail(StatusCode::kResourceExhausted,
           "the JSON has more than " + std::to_string(limits_.max_values) + " values");
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& container = *open_.back();
    if (container.is_object()) return &(container[name_] = std::move(value));
    container.push_back(std::move(value));
    return &container.back();
  }

  // Only the innermost container grows, so pointers to the others stay good.
  bool open(Json container) {
    if (open_.size() >= limits_.max_depth) {
      return fail(StatusCode::kResourceExhausted,
                  "the JSON is nested more than " + std::to_string(limits_.max_depth) + " deep");
    }
    Json* const place = put(std::move(container));
    if (place == nullptr) return false;
    open_.push_back(place);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool fail(StatusCode code, std::string why) {
    failure_ = Status(code, std::move(why));
    return false;
  }

  const JsonLimits limits_;
  Json root_;
  std::vector<Json*> open_;
  std::string name_;  // of the value to come, in an object
  std::size_t values_ = 0;
  Status failure_;
};

}  // namespace

Result<Json> parse_bounded_json(std::string_view text, const JsonLimits& limits) {
  TreeBuilder builder(limits);
  const bool complete = Json::sax_parse(text, &builder);
  return builder.take(complete);
}

}  // namespace imgrec::manager
