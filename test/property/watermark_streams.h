// Streams with watermarks for the property test: a log of rows out of order in several partitions, cut into steps, and
// what of it is late by which rule. To sql/ they are streams that a query may read, as far as they were taken.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "dataflow/graph.h"
#include "sql/relation.h"

namespace millrace::test {

inline constexpr int64_t kSecond = 1000000;
inline constexpr int64_t kNoTime = INT64_MIN;

/// Its position in the log, and its order there, is its id.
struct StreamRow {
  int64_t id = 0;
  std::optional<int64_t> k;
  int64_t x = 0;
  std::optional<int64_t> ts;         ///< µs
  std::optional<int64_t> watermark;  ///< of its partition before it, µs
};

struct TestStream {
  std::string name;
  int64_t delay = 0;                         ///< WATERMARK FOR ts AS ts - delay
  std::vector<std::vector<StreamRow>> log;   ///< by partition, whole
  std::vector<size_t> before, taken;         ///< by partition: rows of former steps; those of this step too
  /// The smallest over the partitions of what was taken; kNoTime when a partition has shown none.
  int64_t watermark() const;
};

/// (stream, id, end of the window; kNoTime where the row as such is late).
using LateRow = std::tuple<std::string, int64_t, int64_t>;

struct StreamOptions {
  size_t rows = 120;
  bool with_nulls = false;
  bool unique_times = false;  ///< of r: no two rows at one time
};

/// Two streams, s and r: (id BIGINT, k BIGINT, x BIGINT, ts TIMESTAMP). Beside them late_s and late_r (id, window_end),
/// the rows that are late, and s_in_time and r_in_time, the streams without those that are so whatever the window.
class WatermarkStreams final : public sql::RelationResolver, public dataflow::SourceFeed {
 public:
  WatermarkStreams(std::mt19937_64& random, const StreamOptions& options);

  TestStream& stream(std::string_view name) { return name == "s" ? streams_[0] : streams_[1]; }
  /// A random part of what is left; `all`: the rest. False when there is nothing.
  bool take(bool all);
  /// The rows of the last take() are fed.
  void finish_step();
  std::map<std::string, Timestamp> watermarks() const;
  int64_t smallest_watermark() const;
  std::set<LateRow> late;

  std::optional<sql::RelationInfo> find(std::string_view name) const override;
  std::string suggestion(std::string_view) const override { return {}; }
  Result<std::unique_ptr<sql::RelationReader>> read(std::string_view name) const override;
  Status feed(uint32_t worker, const std::string& view, const plan::Node& source, dataflow::Output& out) override;
  uint32_t workers = 1;

 private:
  std::mt19937_64& random_;
  std::vector<TestStream> streams_;
};

}  // namespace millrace::test
