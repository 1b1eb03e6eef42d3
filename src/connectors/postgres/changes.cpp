#include "connectors/postgres/changes.h"

#include <algorithm>

#include "base/hash.h"

namespace millrace::connectors::postgres {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr uint32_t kOpColumn = 0;

std::vector<uint32_t> written_columns(const SinkSetup& setup) {
  std::vector<uint32_t> columns;
  for (uint32_t i = setup.mode == SinkMode::kUpsert ? 2 : 0; i < setup.schema.size(); ++i) columns.push_back(i);
  return columns;
}

}  // namespace

Changes::Changes(const SinkSetup& setup, const std::vector<bool>& as_array)
    : upsert_(setup.mode == SinkMode::kUpsert),
      values_(setup.schema, written_columns(setup), as_array),
      key_(setup.schema, setup.key, as_array) {}

void Changes::clear() {
  text_.clear();
  lines_.clear();
  keys_.clear();
  key_of_line_.clear();
  slots_.assign(slots_.size(), 0);
  rows_ = 0;
  deletes_ = null_deletes_ = false;
}

void Changes::add(const batch::Batch& rows) {
  values_.open(rows);
  if (upsert_) key_.open(rows);
  for (size_t row = 0; row < rows.rows(); ++row) {
    rows_ += static_cast<uint64_t>(rows.diff(row));
    if (upsert_) {
      add_upsert(rows, row);
      continue;
    }
    for (int64_t copy = 0; copy < rows.diff(row); ++copy) add_row(row);
  }
}

void Changes::add_row(size_t row) {
  size_t begin = text_.size();
  values_.append(row, text_);
  text_.push_back('\n');
  lines_.push_back({begin, text_.size()});
}

void Changes::add_upsert(const batch::Batch& rows, size_t row) {
  std::string_view op = rows.column(kOpColumn).at<batch::StringRef>(row).view();
  if (op == "-U") return;  // its +U follows, and has the same key
  bool remove = op == "-D";
  scratch_.clear();
  key_.append(row, scratch_);
  size_t line = line_of(scratch_);
  size_t begin = text_.size();
  text_.append(remove ? "-\t" : "+\t");
  values_.append(row, text_);
  text_.push_back('\n');
  lines_[line] = {begin, text_.size()};
  deletes_ |= remove;
  null_deletes_ |= remove && key_.has_null(row);
}

size_t Changes::line_of(std::string_view key) {
  if ((lines_.size() + 1) * 2 > slots_.size()) grow();
  uint64_t hash = hash_bytes(key);
  size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    if (slots_[at] == 0) {
      slots_[at] = static_cast<uint32_t>(lines_.size() + 1);
      lines_.push_back({});
      key_of_line_.push_back({hash, keys_.size(), keys_.size() + key.size()});
      keys_.append(key);
      return lines_.size() - 1;
    }
    const Key& there = key_of_line_[slots_[at] - 1];
    if (there.hash == hash && std::string_view(keys_).substr(there.begin, there.end - there.begin) == key)
      return slots_[at] - 1;
  }
}

void Changes::grow() {
  slots_.assign(std::max<size_t>(1024, slots_.size() * 2), 0);
  size_t mask = slots_.size() - 1;
  for (size_t line = 0; line < key_of_line_.size(); ++line) {
    size_t at = key_of_line_[line].hash & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = static_cast<uint32_t>(line + 1);
  }
}

Status Changes::send(const std::function<Status(std::string_view piece)>& to) const {
  size_t begin = 0;
  size_t end = 0;
  for (const Line& line : lines_) {
    if (line.begin != end || end - begin >= kPieceBytes) {
      if (end > begin) MR_TRY(to(std::string_view(text_).substr(begin, end - begin)));
      begin = line.begin;
    }
    end = line.end;
  }
  return end > begin ? to(std::string_view(text_).substr(begin, end - begin)) : Status();
}

}  // namespace millrace::connectors::postgres
