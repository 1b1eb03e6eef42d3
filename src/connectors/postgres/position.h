// Where a sink is, in the destination: its row of the table millrace_positions, beside the table that it writes to.
// The row is written in the transaction of the data, and first in it, so that of two writers one waits for the other.
#pragma once

#include <cstdint>
#include <string>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/table.h"
#include "connectors/sink.h"

namespace millrace::connectors::postgres {

struct Position {
  int64_t next_offset = 0;  ///< of the changelog
  uint64_t snapshot_epoch = 0;
  int64_t replayed = 0;  ///< the next dead letter that a replay sends
};

class PositionRow {
 public:
  /// `owner` names this writer: one object in one process.
  PositionRow(const SinkSetup& setup, const TableName& beside, std::string owner);

  /// Makes the table when it is missing.
  Status create_table(Connection& connection);
  /// Waits for a commit that is still under way, takes the row for this writer and returns what it says. The first call
  /// takes it from whoever has it; later ones fail with kObjectInUse when somebody took it since.
  Result<Position> claim(Connection& connection);
  /// Within a transaction: the new position. Fails with kObjectInUse when somebody took the row.
  Status advance(Connection& connection, const Position& position);

 private:
  Error refused(Connection& connection) const;

  const std::string sink_;
  const std::string source_;  ///< which changelog the offsets are of
  const std::string table_;
  const std::string owner_;
  bool claimed_ = false;
  std::string fence_;
};

}  // namespace millrace::connectors::postgres
