// WITH (start = …): from where on a materialized view reads the streams of its query.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "sql/options.h"

namespace millrace::sql {

struct StartPoint {
  enum class Kind : uint8_t { kBeginning, kNow, kTime, kPositions };
  struct Position {
    std::string stream;  ///< empty: the only stream that the query reads
    PartitionId partition;
    Offset offset;
  };
  Kind kind = Kind::kBeginning;
  Timestamp time;                   ///< kTime: rows appended then or later
  std::vector<Position> positions;  ///< kPositions: partitions that are not named are read from their beginning
};

/// `beginning`, `now`, a time (base/text.h, parse_iso8601), or positions: `[stream:]partition:offset, …`. The error has
/// no position.
Result<StartPoint> parse_start_point(std::string_view text);

}  // namespace millrace::sql
