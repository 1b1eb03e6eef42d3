#include "dataflow/session_bounds.h"

#include <algorithm>

#include "base/hash.h"

namespace millrace::dataflow {
namespace {

constexpr size_t kTimeBytes = sizeof(uint64_t);

Session session_of(std::string_view row) {
  return {time_of(load_big<uint64_t>(row.data())), time_of(load_big<uint64_t>(row.data() + kTimeBytes))};
}

}  // namespace

SessionBounds::SessionBounds(int64_t gap_micros) : gap_(gap_micros), cursor_(table_) { table_.keep_sorted(0); }

void SessionBounds::open(uint64_t hash, std::string_view key) {
  group_ = table_.find_or_insert(hash, key);
  removed_.clear();
  added_.clear();
}

std::optional<Session> SessionBounds::at_or_before(int64_t time) {
  std::string from;
  append_big(from, sortable_time(time));
  append_big(from, UINT64_MAX);
  from.push_back('\xff');
  cursor_.seek(group_, from);
  std::string_view row;
  int64_t count;
  if (!cursor_.previous(row, count)) return std::nullopt;
  return session_of(row);
}

std::optional<Session> SessionBounds::behind(int64_t time) {
  std::string from;
  append_big(from, sortable_time(time));
  append_big(from, UINT64_MAX);
  cursor_.seek(group_, from);
  std::string_view row;
  int64_t count;
  if (!cursor_.next(row, count)) return std::nullopt;
  return session_of(row);
}

std::optional<Session> SessionBounds::around(int64_t time) {
  std::optional<Session> found = at_or_before(time);
  return found && time <= found->last ? found : std::nullopt;
}

std::optional<Session> SessionBounds::first() {
  cursor_.seek_first(group_);
  std::string_view row;
  int64_t count;
  if (!cursor_.next(row, count)) return std::nullopt;
  return session_of(row);
}

void SessionBounds::change(const Session& session, int64_t diff) {
  std::string row;
  append_big(row, sortable_time(session.start));
  append_big(row, sortable_time(session.last));
  table_.add(group_, hash_bytes(row), row, diff);
}

void SessionBounds::put(const Session& session) {
  change(session, 1);
  added_.push_back(session);
}

/// What was added since open() and goes again is forgotten.
void SessionBounds::take(const Session& session) {
  change(session, -1);
  const auto found = std::find(added_.rbegin(), added_.rend(), session);
  if (found == added_.rend()) {
    removed_.push_back(session);
  } else {
    added_.erase(std::next(found).base());
  }
}

void SessionBounds::insert(int64_t time) {
  Session merged{time, time};
  if (const std::optional<Session> before = at_or_before(time)) {
    if (time <= before->last) return;
    if (time - before->last < gap_) {
      merged.start = before->start;
      take(*before);
    }
  }
  if (const std::optional<Session> next = behind(time); next && next->start - time < gap_) {
    merged.last = next->last;
    take(*next);
  }
  put(merged);
}

void SessionBounds::erase(int64_t time, std::optional<int64_t> before, std::optional<int64_t> behind) {
  const std::optional<Session> found = around(time);
  if (!found) return;
  if (before && *before < found->start) before.reset();
  if (behind && *behind > found->last) behind.reset();
  if (before && behind && *behind - *before < gap_) return;
  take(*found);
  if (before) put({found->start, *before});
  if (behind) put({*behind, found->last});
}

void SessionBounds::sort() {
  const auto earlier = [](const Session& a, const Session& b) { return a.start < b.start; };
  std::sort(removed_.begin(), removed_.end(), earlier);
  std::sort(added_.begin(), added_.end(), earlier);
}

std::pair<std::string_view, Session> SessionBounds::read(const state::Entry& entry) {
  ByteReader reader(entry.key);
  auto key = reader.string();
  MR_CHECK(key.ok() && reader.remaining() == 2 * kTimeBytes, "an entry of sessions is none");
  return {*key, session_of(entry.key.substr(entry.key.size() - 2 * kTimeBytes))};
}

}  // namespace millrace::dataflow
