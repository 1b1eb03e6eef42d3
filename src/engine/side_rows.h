// Rows that leave a view's path: late ones and those whose expression threw. Collected by the workers during a step,
// written to the companions `<view>_late` and `<view>_error` by the commit.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataflow/operator.h"
#include "engine/stream_source.h"
#include "ledger/ledger.h"

namespace millrace::engine {

/// What becomes of a stream's rows at the filter that stands directly on a view's Source.
struct FilterHops {
  ledger::HopId kept = 0;
  ledger::HopId filtered = 0;
  ledger::HopId failed = 0;
};

/// One view on one worker. It also counts, for the ledger, rows that leave the path where their identity is known.
class SideRows final : public dataflow::SideOutput {
 public:
  SideRows(std::string view, Failpoints& failpoints)
      : view_(std::move(view)), faults_(failpoints.point("ledger.kept")) {}

  /// Rows late at this input carry positions of this stream.
  void count_late(OperatorId op, size_t port, StreamId stream, ledger::HopId hop) {
    late_hops_[{op, port}] = {stream, hop};
  }
  /// From now on this batch is fed, until null; it must live so long.
  void watch(const DecodedBatch* batch, StreamId stream, const FilterHops& hops) {
    fed_ = batch, fed_stream_ = stream, hops_ = hops;
  }
  ledger::Recorder& recorder() { return recorder_; }
  bool rows_filtered(std::vector<uint32_t>& passing, const std::vector<batch::RowError>& failed) override;

  void row_failed(OperatorId op, std::string_view operator_text, const batch::Batch& batch, size_t row,
                  batch::int128 order, std::string_view message) override;
  void row_late(OperatorId op, size_t port, const batch::Batch& batch, size_t row, batch::int128 order) override;

  /// The view stops at a failing row: which one it is, is kept.
  void stop_on_error() { stops_ = true; }
  struct Failure {
    batch::int128 order = 0;
    std::string operator_text;
    std::string message;
    std::string row;
  };
  /// The first row in the log's order that failed and was not taken back, if any. Of a view that stops.
  std::optional<Failure> first_failure() const;

  /// JSON objects with the companion's columns, one a row.
  std::vector<std::string> take_errors() { return std::exchange(errors_, {}); }
  std::vector<std::string> take_late() { return std::exchange(late_, {}); }
  bool has_rows() const { return !errors_.empty() || !late_.empty(); }
  void clear() { errors_.clear(), failures_.clear(), late_.clear(), recorder_.clear(); }

 private:
  void count(ledger::HopId hop, std::span<const uint32_t> rows);

  std::string view_;
  FailPoint& faults_;
  ledger::Recorder recorder_;
  std::map<std::pair<OperatorId, size_t>, std::pair<StreamId, ledger::HopId>> late_hops_;  // by operator and input
  const DecodedBatch* fed_ = nullptr;
  StreamId fed_stream_;
  FilterHops hops_;
  std::vector<int64_t> offsets_;
  std::vector<std::string> errors_;
  bool stops_ = false;
  std::map<std::string, std::pair<Failure, int64_t>> failures_;  // by companion record: with the sum of the diffs
  std::vector<std::string> late_;
};

/// `rows` of a batch with these faults applied.
std::vector<uint32_t> harm_rows(const RowFaults& faults, std::span<const uint32_t> rows);

/// The companion record of a stream's record that did not decode: a JSON object with the columns of `<stream>_dead`.
std::string dead_record_json(int32_t partition, int64_t offset, Timestamp append_time, std::string_view reason,
                             std::string_view raw);

}  // namespace millrace::engine
