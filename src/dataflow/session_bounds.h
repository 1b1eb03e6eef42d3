// SessionBounds: the sessions of each partition, and how a step's rows change them. Table slot 1 of the session
// operator: partition key → (start, time of the last row), each 8 bytes that sort as the times do.
//
// Two rows are in one session when less than the gap lies between them. A partition is changed by insert() for the
// times that came, then erase() for the times that went; removed() and added() then say how its sessions differ. What
// neither of them holds is as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "state/table.h"

namespace millrace::dataflow {

/// A time in µs as 8 bytes that sort as the times do.
inline uint64_t sortable_time(int64_t micros) { return static_cast<uint64_t>(micros) ^ (uint64_t{1} << 63); }
inline int64_t time_of(uint64_t sortable) { return static_cast<int64_t>(sortable ^ (uint64_t{1} << 63)); }

struct Session {
  int64_t start = 0;
  int64_t last = 0;  ///< of its last row, in µs
  bool operator==(const Session&) const = default;
};

class SessionBounds {
 public:
  explicit SessionBounds(int64_t gap_micros);

  /// The next calls are about this partition.
  void open(uint64_t hash, std::string_view key);
  /// There is a row at this time now.
  void insert(int64_t time);
  /// There is none any more. `before` and `behind`: the nearest rows there are, in whatever session.
  void erase(int64_t time, std::optional<int64_t> before, std::optional<int64_t> behind);
  /// The session is final: it goes, and counts neither as removed nor as added.
  void drop(const Session& session) { change(session, -1); }

  /// The session that begins last of those that begin at `time` or before.
  std::optional<Session> at_or_before(int64_t time);
  /// The session whose rows' times are around this one.
  std::optional<Session> around(int64_t time);
  std::optional<Session> first();

  /// Since open(), in order of time once sort() was called.
  const std::vector<Session>& removed() const { return removed_; }
  const std::vector<Session>& added() const { return added_; }
  void sort();

  state::BagTable& table() { return table_; }
  /// The session that an entry of the table is, and its partition's key.
  static std::pair<std::string_view, Session> read(const state::Entry& entry);

 private:
  void put(const Session& session);
  void take(const Session& session);
  void change(const Session& session, int64_t diff);
  std::optional<Session> behind(int64_t time);

  int64_t gap_;
  state::BagTable table_;
  state::BagTable::SortedCursor cursor_;
  state::BagTable::Group group_ = state::BagTable::kNone;
  std::vector<Session> removed_, added_;
};

}  // namespace millrace::dataflow
