// File sources and sinks: rows/s and MB/s on one core, files on the simulated disk (no device in the way).
//
//   build/release/bench/bench_files
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/simulated_env.h"
#include "connectors/connector.h"
#include "formats/compression.h"

namespace {

using namespace millrace;

constexpr int64_t kRows = 1 << 20;

batch::Schema row_schema() {
  batch::Schema schema;
  for (const char* name : {"title_id", "session_id"})
    schema.fields.push_back({name, batch::Type(batch::TypeId::kVarchar)});
  for (const char* name : {"from_ms", "to_ms"}) schema.fields.push_back({name, batch::Type(batch::TypeId::kBigint)});
  schema.fields.push_back({"hours", batch::Type(batch::TypeId::kDouble)});
  schema.fields.push_back({"total", batch::Type(batch::TypeId::kHugeint)});
  return schema;
}

void fill(batch::Batch& rows, int64_t first) {
  rows.reset();
  for (size_t i = 0; i < batch::kBatchRows; ++i) {
    int64_t n = first + static_cast<int64_t>(i);
    rows.mutable_column(0).set_string(i, "t" + std::to_string(n % 5000));
    rows.mutable_column(1).set_string(i, "session-" + std::to_string(100000000 + n / 30));
    rows.mutable_column(2).set<int64_t>(i, 1735688423799 + n * 60);
    rows.mutable_column(3).set<int64_t>(i, 1735688423799 + n * 61);
    rows.mutable_column(4).set<double>(i, static_cast<double>(n) / 3600);
    rows.mutable_column(5).set<batch::int128>(i, n * 7);
  }
  rows.set_rows(batch::kBatchRows);
}

void sink(benchmark::State& state, const std::string& format, const std::string& compression) {
  std::vector<batch::Batch> batches;
  for (int64_t n = 0; n < kRows; n += batch::kBatchRows) fill(batches.emplace_back(row_schema()), n);
  uint64_t bytes = 0;
  for ([[maybe_unused]] auto run : state) {
    SimulatedEnv env(1);
    connectors::SinkSetup setup;
    setup.env = &env;
    setup.name = "bench";
    setup.schema = row_schema();
    setup.options.set("path", {sql::OptionKind::kText, "/out"});
    setup.options.set("format", {sql::OptionKind::kEnum, format});
    setup.options.set("compression", {sql::OptionKind::kEnum, compression});
    auto made = connectors::make_sink("file", setup);
    MR_CHECK(made.ok() && (*made)->open().ok(), "the sink does not open");
    int64_t next_offset = 0;
    for (const batch::Batch& rows : batches) {
      next_offset += static_cast<int64_t>(rows.rows());
      MR_CHECK((*made)->write(rows, next_offset).ok(), "a write failed");
    }
    MR_CHECK((*made)->commit().ok(), "the commit failed");
    bytes = env.files().used_bytes();
  }
  state.counters["rows/s"] =
      benchmark::Counter(static_cast<double>(kRows), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["file_bytes"] = static_cast<double>(bytes);
}
BENCHMARK_CAPTURE(sink, parquet_zstd, "parquet", "zstd")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(sink, parquet_snappy, "parquet", "snappy")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(sink, json, "json", "none")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(sink, json_zstd, "json", "zstd")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(sink, csv, "csv", "none")->Unit(benchmark::kMillisecond);

void source(benchmark::State& state, const std::string& format, formats::Packing packing, bool reorder) {
  std::string text = format == "csv" ? "b,a,c\n" : "";
  for (int64_t n = 0; n < kRows; ++n) {
    std::string number = std::to_string(n);
    text += format == "csv" ? number + ",session-" + number + ",playing\n"
                            : "{\"b\":" + number + ",\"a\":\"session-" + number + "\",\"c\":\"playing\"}\n";
  }
  SimulatedEnv env(1);
  auto packer = formats::make_packer(packing);
  std::string packed;
  MR_CHECK(packer->pack(text, packed).ok() && packer->finish(packed).ok(), "packing failed");
  MR_CHECK(env.files().write_atomically("/input", packed).ok(), "writing failed");
  for ([[maybe_unused]] auto run : state) {
    connectors::SourceSetup setup;
    setup.env = &env;
    setup.path = "/input";
    setup.format = format;
    if (reorder) setup.columns = {"a", "b", "c"};
    auto opened = connectors::open_source("file", setup);
    MR_CHECK(opened.ok(), "the source does not open");
    size_t records = 0;
    for (bool end = false; !end;) {
      auto chunk = (*opened)->read(1 << 20);
      MR_CHECK(chunk.ok(), "a read failed");
      records += chunk->records.size();
      end = chunk->end;
    }
    MR_CHECK(records == kRows, "records are missing");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK_CAPTURE(source, json, "json", formats::Packing::kNone, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(source, json_gzip, "json", formats::Packing::kGzip, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(source, json_zstd, "json", formats::Packing::kZstd, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(source, csv, "csv", formats::Packing::kNone, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(source, csv_reordered, "csv", formats::Packing::kNone, true)->Unit(benchmark::kMillisecond);

}  // namespace
