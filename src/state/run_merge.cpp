#include "state/run_merge.h"

namespace millrace::state {

Status RunMerge::add_run(uint64_t blocks, Fetch fetch) {
  auto cursor = std::make_unique<Cursor>();
  cursor->fetch = std::move(fetch);
  cursor->blocks = blocks;
  MR_TRY(advance(*cursor));
  cursors_.push_back(std::move(cursor));
  return {};
}

Status RunMerge::advance(Cursor& cursor) {
  while (!cursor.reader.next(cursor.entry)) {
    if (cursor.next_block == cursor.blocks) {
      cursor.done = true;
      return {};
    }
    MR_ASSIGN(std::string bytes, cursor.fetch(cursor.next_block++));
    MR_TRY(cursor.reader.open(std::move(bytes)));
  }
  return {};
}

Result<bool> RunMerge::next(Entry& entry) {
  for (Cursor* cursor : given_) MR_TRY(advance(*cursor));
  given_.clear();
  for (const auto& cursor : cursors_) {
    if (cursor->done) continue;
    if (!given_.empty() && entry_before(given_.front()->entry, cursor->entry)) continue;
    if (!given_.empty() && entry_before(cursor->entry, given_.front()->entry)) given_.clear();
    given_.push_back(cursor.get());
  }
  if (given_.empty()) return false;
  entry = given_.back()->entry;  // the newest
  return true;
}

}  // namespace millrace::state
