#include "engine/appended_rows.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "dataflow/exchange.h"

namespace millrace::engine {
namespace {

/// With what the table keeps beside it, a full block takes memory of 32 KiB.
constexpr size_t kBlockBytes = (32 << 10) - 64;
constexpr size_t kVarintBytesMax = 10;

}  // namespace

void AppendedRows::stage_row(std::string_view row) {
  const bool fits = staged_blocks_ > 0 && staged_[staged_blocks_ - 1].size() + row.size() <= kBlockBytes;
  if (!fits) {
    if (staged_blocks_ == staged_.size()) staged_.emplace_back().reserve(kBlockBytes + kVarintBytesMax);
    ++staged_blocks_;
  }
  append_string(staged_[staged_blocks_ - 1], row);
  ++staged_rows_;
}

void AppendedRows::stage(const batch::RowBuffer& rows, std::span<const int64_t> diffs) {
  for (size_t i = 0; i < rows.rows(); ++i) {
    const int64_t times = diffs.empty() ? 1 : diffs[i];
    MR_CHECK(times >= 0, "a view that only appends takes a row away");
    for (int64_t time = 0; time < times; ++time) stage_row(rows.row(i));
  }
}

/// A key whose hash this worker owns, so that no other worker takes it; nor does another commit, since each that adds
/// rows finds more of them there.
void AppendedRows::choose_key(uint64_t rows_before) {
  do {
    key_.clear();
    append_big(key_, rows_before);
    append_big(key_, keys_tried_++);
    hash_ = hash_bytes(key_);
  } while (dataflow::owner_of(virtual_node_of(hash_), workers_) != worker_);
}

void AppendedRows::apply(uint64_t rows_before) {
  keys_tried_ = 0;
  for (size_t i = 0; i < staged_blocks_; ++i) {
    const bool fits = !block_.empty() && block_.size() + staged_[i].size() <= kBlockBytes;
    if (fits) {
      block_.append(staged_[i]);
    } else {
      choose_key(rows_before);
      block_.swap(staged_[i]);
    }
    table_.put(hash_, key_, block_);
  }
}

void AppendedRows::clear_staged() {
  for (size_t i = 0; i < staged_blocks_; ++i) staged_[i].clear();
  staged_blocks_ = 0;
  staged_rows_ = 0;
}

Status AppendedRows::visit_rows(std::string_view block, const std::function<void(std::string_view)>& visit) {
  ByteReader reader(block);
  while (!reader.done()) {
    MR_ASSIGN(const std::string_view row, reader.string());
    visit(row);
  }
  return {};
}

}  // namespace millrace::engine
