// StreamSource: one stream (or the raw rows of a table) as the engine reads it: log bytes → record batches → decoded
// rows with their meta columns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failpoints.h"
#include "base/result.h"
#include "base/time.h"
#include "batch/batch.h"
#include "batch/expression.h"
#include "formats/decoder.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "plan/plan.h"

namespace millrace::engine {

/// What is fixed about a stream.
struct StreamSource {
  std::string name;
  StreamId id;
  std::shared_ptr<log::Stream> stream;  // shared with the log: a dropped stream lives until its readers are gone
  batch::Schema schema;
  std::string format;
  formats::DecoderOptions decoder_options;
  batch::Expression watermark;  ///< over the schema's columns, TIMESTAMP; empty: the append time is the watermark
  std::optional<Duration> idle_timeout;
  int32_t message_id_column = -1;
  ledger::HopId stored_hop = 0;
  ledger::HopId decoded_hop = 0;
  ledger::HopId dead_hop = 0;
};

/// Columns behind the schema's: what a plan::SourceColumnKind other than kField stands for, in this order.
enum class MetaColumn : uint8_t { kAppendTime, kPartition, kOffset, kMessageId, kOrder, kWatermark };
inline constexpr size_t kStreamMetaColumns = 6;
std::vector<batch::Type> stream_row_types(const batch::Schema& schema);
/// Index of a Source column among a stream's row columns.
uint32_t stream_column(const batch::Schema& schema, const plan::SourceColumn& column);

/// The order key of a row (plan/plan.h).
batch::int128 order_key(Timestamp append_time, PartitionId partition, Offset offset);
struct OrderParts {
  Timestamp append_time;
  PartitionId partition;
  Offset offset;
};
OrderParts order_parts(batch::int128 key);

/// Rows [first_row, first_row + count) of a batch were appended at one time.
struct AppendRun {
  Timestamp append_time;
  uint32_t first_row = 0;
  uint32_t count = 0;
};

struct DecodedBatch {
  PartitionId partition;
  batch::Batch rows;             ///< stream_row_types
  std::vector<int64_t> offsets;  ///< one a row
  std::vector<AppendRun> runs;
};

/// Header of a stored record that is not decoded but a dead letter; the value is the reason. docs/formats/log.md.
inline constexpr std::string_view kRefusedHeader = "millrace-refused";

/// A record that did not decode.
struct DeadRecord {
  PartitionId partition;
  Offset offset;
  Timestamp append_time;
  std::string reason;
  std::string raw;
};

/// What a partition's rows have shown so far.
struct PartitionProgress {
  std::optional<Timestamp> watermark;  ///< the largest of its rows
};

/// Decodes for one worker. Keeps decoders and buffers warm.
class StreamDecoder {
 public:
  StreamDecoder(const StreamSource& source, batch::Session& session, Failpoints& failpoints);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;

  /// Decodes the records of `batches` with offsets in [from, to). `recorder` may be null (pull queries do not count).
  Status decode(PartitionId partition, const log::ReadBatches& batches, Offset from, Offset to,
                PartitionProgress& progress, std::vector<DecodedBatch>& out, std::vector<DeadRecord>& dead,
                ledger::Recorder* recorder);

 private:
  struct State;
  void count_stored(const log::StoredBatch& stored, PartitionId partition, int64_t first, uint32_t count,
                    ledger::Recorder* recorder) const;

  std::unique_ptr<State> state_;
};

}  // namespace millrace::engine
