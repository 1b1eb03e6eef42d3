// Sink: how rows leave. One contract for every destination; each connector's folder implements it.
//
// A sink keeps its position in the destination, in the same atomic act as the data. After a crash it is asked where it
// was (open), and the engine goes on from there: nothing is lost and nothing comes twice. An unknown outcome of a
// commit is resolved by calling open again, never by assuming. One thread at a time; each sink has its own, so that a
// slow or dead one never holds back another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "batch/batch.h"
#include "sql/options.h"

namespace millrace::connectors {

enum class SinkMode : uint8_t {
  kAppend,    ///< rows of an append-only view
  kChanges,   ///< every change: columns _op (+I −U +U −D) and _commit are added in front by the engine
  kSnapshot,  ///< the whole view, replaced atomically
  kUpsert,    ///< by the view's key
};

struct SinkSetup {
  Env* env = nullptr;
  std::string name;
  std::string source;  ///< the view that it reads
  std::string
      identity;  ///< of the changelog whose offsets are the position: unlike that of any other view or directory
  SinkMode mode = SinkMode::kAppend;
  batch::Schema schema;       ///< of the rows that write() gets, `_op` and `_commit` included
  std::vector<uint32_t> key;  ///< columns; empty when the view has none
  sql::Options options;
  std::string base_directory;  ///< relative paths start here: the pipeline file's folder
};

/// Gives the rows of a committed view batch by batch; an empty batch ends it. A diff of n means n equal rows.
using SnapshotReader = std::function<Status(batch::Batch& out)>;

class Sink {
 public:
  virtual ~Sink() = default;

  /// At CREATE, before anything else: whether the destination is there and fits. What may be made there is made.
  virtual Status check() { return {}; }
  /// Connects, cleans up what an unfinished commit left, and returns the next changelog offset that the destination
  /// wants (0 when it holds nothing of this sink). Called at the start and after every failure.
  virtual Result<int64_t> open() = 0;
  /// kAppend, kChanges, kUpsert: rows in the order of their offsets; `next_offset` is one behind the last. They become
  /// visible with commit.
  virtual Status write(const batch::Batch& rows, int64_t next_offset) = 0;
  /// Makes all written rows visible and durable together with the position.
  virtual Status commit() = 0;
  /// Whether what was written should be committed now: the sink's own bounds on size and age.
  virtual bool wants_commit(Timestamp now) const = 0;
  /// kSnapshot: replaces what the destination holds by these rows, atomically, remembering `epoch`.
  virtual Status replace(const SnapshotReader& rows, uint64_t epoch) = 0;
  /// kSnapshot: the epoch of the snapshot that the destination holds; 0 for none.
  virtual Result<uint64_t> snapshot_epoch() = 0;

  /// After a failed write or commit: the destination refuses some of the rows for what is in them, so that fewer rows
  /// at a time would pass. A single row that is refused becomes a dead letter. Sinks that never refuse rows say
  /// nothing.
  virtual bool refused_rows() const { return false; }
  /// After open: the next offset of the sink's stream of dead letters that is to be sent again.
  virtual int64_t replayed() const { return 0; }
  /// Dead letters that are sent again, as write does; `next_dead_offset` takes the place of the position.
  virtual Status write_again(const batch::Batch&, int64_t) {
    return user_error(sqlstate::kNotSupported, "this connector sends no dead letters again");
  }
  /// From any thread: ends what waits for the destination now, and all that is asked of it later, with kCancelled.
  virtual void interrupt() {}
};

}  // namespace millrace::connectors
