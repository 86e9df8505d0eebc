#include "training/torch/checkpoint.h"

#include <cstdint>

namespace imgrec::training {
namespace {

constexpr const char* kName = "provenance";

torch::IValue value_of(torch::serialize::InputArchive& archive, const char* name) {
  torch::IValue value;
  archive.read(name, value);
  return value;
}

}  // namespace

void write(const Provenance& p, torch::serialize::OutputArchive& archive) {
  torch::serialize::OutputArchive inner;
  c10::List<std::string> classes;
  for (const std::string& name : p.classes) classes.push_back(name);
  const auto number = [&inner](const char* name, std::uint64_t value) {
    inner.write(name, torch::IValue(static_cast<std::int64_t>(value)));
  };
  inner.write("classes", torch::IValue(classes));
  inner.write("digest", torch::IValue(p.digest));
  number("pictures", p.pictures);
  number("size", p.size);
  number("width", p.width);
  number("batch", p.batch);
  inner.write("rate", torch::IValue(p.rate));
  number("seed", p.seed);
  archive.write(kName, inner);
}

std::optional<Provenance> read_provenance(torch::serialize::InputArchive& archive) {
  torch::serialize::InputArchive inner;
  if (!archive.try_read(kName, inner)) return std::nullopt;
  Provenance p;
  for (const torch::IValue& name : value_of(inner, "classes").toListRef()) {
    p.classes.push_back(name.toStringRef());
  }
  const auto number = [&inner](const char* name) {
    return static_cast<std::uint64_t>(value_of(inner, name).toInt());
  };
  p.digest = value_of(inner, "digest").toStringRef();
  p.pictures = number("pictures");
  p.size = static_cast<unsigned>(number("size"));
  p.width = static_cast<unsigned>(number("width"));
  p.batch = static_cast<unsigned>(number("batch"));
  p.rate = value_of(inner, "rate").toDouble();
  p.seed = number("seed");
  return p;
}

}  // namespace imgrec::training
