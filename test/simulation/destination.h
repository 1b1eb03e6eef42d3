// A destination of a sink outside of the node's machine: it outlives the node's deaths. It keeps the position with the
// rows, in one act, as connectors/sink.h asks. It is down for a while, fails a commit before or after it took effect,
// and, for tests of the judge, may forget its position.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/sink.h"

namespace millrace::simulation {

class Destination {
 public:
  enum class Commit : uint8_t { kFine, kFails, kFailsAfterwards };

  std::unique_ptr<connectors::Sink> make_sink(const connectors::SinkSetup& setup);

  // What is wrong with it now.
  bool down = false;
  Commit next_commit = Commit::kFine;
  bool forgets_position = false;

  /// Its rows, with how many times each is there.
  std::map<std::string, int64_t> rows() const;
  uint64_t commits() const { return commits_; }
  /// What no right sequence of changes does.
  const std::string& problem() const { return problem_; }

 private:
  friend class DestinationSink;
  struct Change {
    std::string op;
    std::string key;  ///< of mode upsert
    std::string row;
  };
  void apply(connectors::SinkMode mode, const Change& change);

  std::map<std::string, int64_t> bag_;
  std::map<std::string, std::string> by_key_;
  int64_t position_ = 0;
  int64_t position_before_ = 0;
  uint64_t commits_ = 0;
  std::string problem_;
};

/// A row's values, from column `first` on, as they are compared everywhere.
std::string row_of(const batch::Batch& rows, size_t row, size_t first = 0);

}  // namespace millrace::simulation
