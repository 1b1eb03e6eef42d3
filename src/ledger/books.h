// Books: the cells behind a Ledger, without locks. One cell for each stream, minute and hop.
//
// Memory is bounded twice. Sketches matter only while two hops differ: when all links of a stream agree on a minute,
// the sketches of that minute are reset in all its hops at once; later rows start them again from nothing, and since
// all hops stood equal, differences stay true. And minutes older than a day are joined into hours, hours older than 31
// days into days, for all hops of a stream at the same borders, so that links still compare. docs/ledger.md.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/recorder.h"
#include "ledger/sketch.h"

namespace millrace::ledger {

/// The offsets of one partition in a cell, since its sketch was last reset: from `first` to `last`, gaps allowed.
struct OffsetBounds {
  int64_t first = 0;
  int64_t last = 0;
};

/// What a producer's hop names begin with.
inline const std::string kSentHop = "sent:";

struct CellKey {
  StreamId stream;
  Timestamp minute;
  HopId hop = 0;
  auto operator<=>(const CellKey&) const = default;
};

struct Cell {
  uint64_t count = 0;
  uint64_t fingerprint = 0;
  std::map<int32_t, OffsetBounds> bounds;  // by partition; emptied together with the sketch
  std::unique_ptr<Sketch> sketch;          // null: nothing in it
  bool changed = false;                    // since the last take_changes
  bool was_reset = false;                  // the sketch, since the last take_changes

  Sketch& own_sketch();
  void extend(int32_t partition, int64_t first, int64_t last);
  void add(const Cell& other);
  void reset_sketch();
};

class Books {
 public:
  HopId hop(std::string_view name);
  const HopName& name_of(HopId hop) const { return names_[hop]; }
  void link(StreamId stream, std::string stream_name, Link link);
  void drop(StreamId stream);
  void drop_hop(std::string_view name);
  void drop_cells(StreamId stream, std::string_view hop);
  void merge(const Recording& recorded);
  bool open_account(std::string_view producer, size_t producers_max);
  void declare(StreamId stream, std::string stream_name, std::string_view producer, Timestamp minute,
               const IdSum& sent);

  std::string take_changes();
  std::string snapshot() const;
  Status apply(std::string_view bytes);
  void clear_cells();

  const std::map<CellKey, Cell>& cells() const { return cells_; }
  const Cell* find(StreamId stream, Timestamp minute, std::string_view hop) const;
  const std::map<StreamId, std::vector<Link>>& links() const { return links_; }
  /// Compares what a producer declared with what came: closed when `sent` is no hop of that kind.
  Verdict compare_sent(const CellKey& sent, const Cell& cell) const;
  std::string stream_name(StreamId stream) const;

  /// Compares one link in one minute. Rows that wait behind `committed_end` are in flight, not lost.
  Verdict compare(StreamId stream, const Link& link, Timestamp minute,
                  const std::map<std::pair<StreamId, PartitionId>, Offset>& committed_end) const;

 private:
  using Minute = std::pair<StreamId, Timestamp>;

  Cell& cell(StreamId stream, Timestamp minute, HopId hop);
  /// The start of the minute, hour or day that holds `minute`, by its age.
  Timestamp bucket_of(StreamId stream, Timestamp minute) const;
  void advance(StreamId stream, Timestamp minute);
  void fold(StreamId stream);
  bool agrees(StreamId stream, const Link& link, Timestamp minute) const;
  /// Resets the sketches of the changed minutes on which all links agree.
  void settle();
  void append_cell(std::string& out, const CellKey& key, const Cell& cell, bool only_changed,
                   std::map<HopId, uint64_t>& hop_numbers) const;
  std::string encode(bool only_changed) const;
  Status read_cell(ByteReader& reader, const std::vector<HopId>& hops);

  std::vector<HopName> names_;  // by HopId
  std::map<HopName, HopId, std::less<>> ids_;
  std::map<StreamId, std::string> stream_names_;
  std::map<StreamId, std::vector<Link>> links_;
  std::map<CellKey, Cell> cells_;
  std::map<StreamId, Timestamp> newest_;  // the newest minute of each stream
  // What apply() must be told beside the changed cells, since the last take_changes.
  std::set<Minute> changed_minutes_;
  std::set<Minute> erased_minutes_;
  std::set<StreamId> dropped_streams_;
  std::set<HopName> dropped_hops_;
};

}  // namespace millrace::ledger
