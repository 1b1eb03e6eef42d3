// What a commit writes: one record in the engine's own stream of commits. docs/formats/commit.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::engine {

/// The stream of commits: an id that the catalog never gives out.
inline constexpr StreamId kCommitStream{0xFFFFFFF0};

/// Up to where a partition was taken (or, for what the engine itself writes, is committed).
struct PartitionEnd {
  StreamId stream;
  PartitionId partition;
  Offset end;
  bool operator==(const PartitionEnd&) const = default;
};

/// The cut of one step: enough, with the log, to run it again exactly.
struct StepRecord {
  std::vector<PartitionEnd> ends;               ///< partitions that the step took rows from
  std::map<std::string, Timestamp> watermarks;  ///< by stream name; as given to the graph
  bool operator==(const StepRecord&) const = default;
};

struct CommitRecord {
  Epoch epoch;
  Timestamp time;
  std::vector<StepRecord> steps;
  std::vector<PartitionEnd> written;  ///< committed ends of changelogs and companions, all of them
  std::string ledger;                 ///< ledger::Ledger::take_changes
  bool bounded_end = false;           ///< --once moved the watermarks to the end of time
  bool operator==(const CommitRecord&) const = default;
};

std::string encode(const CommitRecord& record);
/// Fails with kDataCorrupted, or with kNotSupported on another version.
Result<CommitRecord> decode_commit(std::string_view bytes);

/// What a state checkpoint says of itself: where the state stands.
struct CheckpointNote {
  Epoch epoch;  ///< of the last commit whose steps the state holds
  std::vector<PartitionEnd> positions;
  std::map<std::string, Timestamp> watermarks;
  std::vector<std::pair<PartitionEnd, Timestamp>> partition_watermarks;  ///< the rows' running watermark per partition
  std::vector<PartitionEnd> written;
  std::vector<std::string> views;  ///< whose state it holds
  std::vector<std::string> kept;   ///< views whose rows are kept although only other views read them: somebody asked
  std::string ledger;              ///< ledger::Ledger::snapshot
  bool bounded_end = false;
  std::vector<uint64_t> view_rows;   ///< rows kept of each of `views`; empty in notes of older releases
  std::vector<std::string> streams;  ///< that got their schema over a topic, whose positions are those of rows
};

std::string encode(const CheckpointNote& note);
Result<CheckpointNote> decode_note(std::string_view bytes);

}  // namespace millrace::engine
