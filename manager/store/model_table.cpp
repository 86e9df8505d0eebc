#include "manager/store/model_table.h"

#include <utility>

namespace imgrec::manager {
namespace {

std::string join(const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) {
    text += label;
    text += '\n';
  }
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> labels;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    labels.push_back(text.substr(begin, end - begin));
    begin = end == std::string::npos ? text.size() : end + 1;
  }
  return labels;
}

}  // namespace

Status ModelTable::load() {
  Query query(db_, "SELECT id, digest, name, labels, unsure_below FROM models");
  while (query.step()) {
    Entry entry;
    entry.row = query.next_integer();
    entry.info.digest = query.next_text();
    entry.info.name = query.next_text();
    entry.info.labels = split(query.next_text());
    entry.info.unsure_below = static_cast<float>(query.next_real());
    const auto added = by_digest_.emplace(entry.info.digest, std::move(entry)).first;
    by_row_[added->second.row] = &added->second.info;
  }
  return query.status();
}

void ModelTable::add(ModelInfo model) {
  // A line end within a label would shift all that follow.
  for (std::string& label : model.labels) {
    for (char& c : label) {
      if (c == '\n') c = ' ';
    }
  }
  newest_classes_ = model.labels.size();
  std::string digest = model.digest;
  by_digest_.try_emplace(std::move(digest), Entry{0, std::move(model)});
}

const ModelInfo* ModelTable::find(const std::string& digest) const {
  const auto found = by_digest_.find(digest);
  return found == by_digest_.end() ? nullptr : &found->second.info;
}

const ModelInfo* ModelTable::find(std::int64_t row) const {
  const auto found = by_row_.find(row);
  return found == by_row_.end() ? nullptr : found->second;
}

Result<std::int64_t> ModelTable::stored(const std::string& digest) {
  Entry& entry = by_digest_.at(digest);
  if (entry.row != 0) return entry.row;
  const std::string labels = join(entry.info.labels);
  Query insert(db_, "INSERT INTO models(digest, name, labels, unsure_below) VALUES (?, ?, ?, ?)");
  Status status = insert.text(digest)
                      .text(entry.info.name)
                      .text(labels)
                      .real(static_cast<double>(entry.info.unsure_below))
                      .run();
  if (!status.ok()) return status;
  entry.row = db_.last_insert_id();
  by_row_[entry.row] = &entry.info;
  uncommitted_.push_back(digest);
  return entry.row;
}

void ModelTable::on_rollback(std::size_t mark) {
  for (; uncommitted_.size() > mark; uncommitted_.pop_back()) {
    Entry& entry = by_digest_.at(uncommitted_.back());
    by_row_.erase(entry.row);
    entry.row = 0;
  }
}

}  // namespace imgrec::manager
