// StreamSource: one stream (or the raw rows of a table) as the engine reads it: log bytes → record batches → decoded
// rows with their meta columns.
#pragma once

#include <bitset>
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

/// What a record may do besides adding its row (docs/adr/0014-changes-of-tables.md).
enum class Deletes : uint8_t {
  kNone,     ///< a stream
  kByKey,    ///< a Kafka tombstone takes away the row of its key
  kByValue,  ///< a record with the header kOperationHeader = "-D" takes away one row like its own
};

/// Columns behind the schema's: what a plan::SourceColumnKind other than kField stands for, in this order.
enum class MetaColumn : uint8_t { kAppendTime, kPartition, kOffset, kMessageId, kOrder, kWatermark, kDeleted };
inline constexpr size_t kStreamMetaColumns = 7;
/// Which of them somebody reads: the others are NULL.
using MetaColumns = std::bitset<kStreamMetaColumns>;
std::optional<MetaColumn> meta_column_of(plan::SourceColumnKind kind);

/// A column that ALTER added: the last of the schema, but for those that were added later.
struct LaterColumn {
  std::vector<Offset> since;   ///< by partition: records before have no such column
  std::string default_record;  ///< a JSON object with its value where a record has none; empty: NULL
};

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
  std::vector<uint32_t> key;  ///< of a table: the columns of its primary key
  Deletes deletes = Deletes::kNone;
  MetaColumns meta_columns = MetaColumns().set();
  std::vector<LaterColumn> later;  ///< in the order of the schema's last columns
  ledger::HopId stored_hop = 0;
  ledger::HopId decoded_hop = 0;
  ledger::HopId dead_hop = 0;
};

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
  bool deleted = false;  ///< all rows are taken away: by key (MetaColumn::kDeleted), or by value (diffs of -1)
};

/// Header of a stored record that is not decoded but a dead letter; the value is the reason. docs/formats/log.md.
inline constexpr std::string_view kRefusedHeader = "millrace-refused";

/// Header of a record that the engine wrote for an INSERT, UPDATE or DELETE: its value is JSON, whatever the format of
/// the stream. "+I" adds the row, "-D" takes away one that is equal.
inline constexpr std::string_view kOperationHeader = "millrace-op";

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
  Status bury_rest(PartitionId partition, const log::StoredBatch& stored, Offset first, Offset end,
                   const Error& reason, std::vector<DeadRecord>& dead, ledger::Recorder* recorder) const;

  std::unique_ptr<State> state_;
};

}  // namespace millrace::engine
