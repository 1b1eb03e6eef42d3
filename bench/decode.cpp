// JSON events into vectors, beside simdjson alone on the same bytes; and rows of such events into JSON and CSV.
//
//   [MILLRACE_BENCH_EVENTS=FILE] build/release/bench/bench_decode
//
// FILE: playback events, one a line; without it, events like those of examples/engagement. Bytes a second are of the
// text.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "formats/decoder.h"
#include "formats/encoder.h"

namespace {

using millrace::batch::Schema;
using millrace::batch::Type;
using millrace::batch::TypeId;

struct Events {
  std::string bytes;
  std::vector<std::string_view> records;
};

std::string made_event(size_t i) {
  std::string session = "s" + std::to_string(100000000 + i / 30);
  return "{\"event_id\":\"" + session + "-0001\",\"type\":\"heartbeat\",\"state\":\"playing\",\"session_id\":\"" +
         session + "\",\"seq\":" + std::to_string(i % 30) +
         ",\"account_id\":\"a008524\",\"profile_id\":\"p025574\",\"title_id\":\"t007897\"," +
         "\"video_id\":\"t007897-e01\",\"play_kind\":\"main\",\"device\":\"tv\",\"country\":\"AR\",\"session_epoch_"
         "ms\":1735688423799," +
         "\"mono_ms\":" + std::to_string(i * 60000 % 7200000) +
         ",\"client_ts\":1735686875933,\"position_ms\":12345,\"played_ms\":12345," +
         "\"server_ts\":" + std::to_string(1735688424981 + i) + "}";
}

const Events& events() {
  static const Events all = [] {
    Events made;
    if (const char* path = std::getenv("MILLRACE_BENCH_EVENTS")) {
      std::ifstream file(path, std::ios::binary);
      made.bytes.assign(std::istreambuf_iterator<char>(file), {});
    } else {
      for (size_t i = 0; i < 100000; ++i) made.bytes += made_event(i) + "\n";
    }
    made.bytes.reserve(made.bytes.size() + simdjson::SIMDJSON_PADDING);
    made.records = millrace::split_view(made.bytes, '\n');
    if (made.records.back().empty()) made.records.pop_back();
    return made;
  }();
  return all;
}

Schema playback_schema() {
  Schema schema;
  for (const char* name : {"event_id", "type", "state", "session_id"})
    schema.fields.push_back({name, Type(TypeId::kVarchar)});
  schema.fields.push_back({"seq", Type(TypeId::kInteger)});
  for (const char* name : {"account_id", "profile_id", "title_id", "video_id", "play_kind", "device", "country"}) {
    schema.fields.push_back({name, Type(TypeId::kVarchar)});
  }
  for (const char* name : {"session_epoch_ms", "mono_ms", "client_ts", "position_ms", "played_ms", "server_ts"}) {
    schema.fields.push_back({name, Type(TypeId::kBigint)});
  }
  return schema;
}

void report(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * events().bytes.size()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * events().records.size()));
}

void decode(benchmark::State& state) {
  Schema schema = playback_schema();
  auto decoder = std::move(millrace::formats::make_decoder("json", schema, {})).value();
  std::vector<uint32_t> decoded;
  std::vector<millrace::formats::DecodeError> errors;
  for (auto _ : state) {
    for (size_t first = 0; first < events().records.size(); first += millrace::batch::kBatchRows) {
      size_t count = std::min(millrace::batch::kBatchRows, events().records.size() - first);
      millrace::batch::Batch rows(schema);
      decoded.clear();
      auto status = decoder->decode(std::span(events().records).subspan(first, count), rows, decoded, errors);
      if (!status.ok()) state.SkipWithError("the decoder failed");
      benchmark::DoNotOptimize(rows.rows());
    }
    errors.clear();
  }
  report(state);
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

/// The limit: parse every record, look at nothing.
void simdjson_dom_alone(benchmark::State& state) {
  simdjson::dom::parser parser;
  for (auto _ : state) {
    for (std::string_view record : events().records)
      benchmark::DoNotOptimize(parser.parse(record.data(), record.size()).error());
  }
  report(state);
}
BENCHMARK(simdjson_dom_alone)->Unit(benchmark::kMillisecond);

/// The other limit: walk every record once with the on-demand parser, which validates less.
void simdjson_ondemand_alone(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    for (std::string_view record : events().records) {
      simdjson::padded_string_view view(record.data(), record.size(), record.size() + simdjson::SIMDJSON_PADDING);
      auto document = parser.iterate(view);
      for (auto field : document.get_object()) {
        std::string_view key;
        benchmark::DoNotOptimize(field.unescaped_key().get(key));
        benchmark::DoNotOptimize(field.value().raw_json_token());
      }
    }
  }
  report(state);
}
BENCHMARK(simdjson_ondemand_alone)->Unit(benchmark::kMillisecond);

using Encode = void (*)(const Schema&, const millrace::batch::Batch&, std::string&);

void encode(benchmark::State& state, Encode encode_rows) {
  Schema schema = playback_schema();
  auto decoder = std::move(millrace::formats::make_decoder("json", schema, {})).value();
  millrace::batch::Batch rows(schema);
  std::vector<uint32_t> decoded;
  std::vector<millrace::formats::DecodeError> errors;
  size_t count = std::min(millrace::batch::kBatchRows, events().records.size());
  if (!decoder->decode(std::span(events().records).first(count), rows, decoded, errors).ok())
    state.SkipWithError("the decoder failed");
  std::string text;
  for (auto _ : state) {
    text.clear();
    encode_rows(schema, rows, text);
    benchmark::DoNotOptimize(text.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * rows.rows()));
}
BENCHMARK_CAPTURE(encode, ndjson,
                  [](auto& schema, auto& rows, auto& text) { millrace::formats::encode_ndjson(schema, rows, text); });
BENCHMARK_CAPTURE(encode, csv,
                  [](auto& schema, auto& rows, auto& text) { millrace::formats::encode_csv(schema, rows, ',', text); });

void decode_csv(benchmark::State& state) {
  Schema schema = playback_schema();
  std::string csv;
  auto json = std::move(millrace::formats::make_decoder("json", schema, {})).value();
  auto decoder = std::move(millrace::formats::make_decoder("csv", schema, {})).value();
  millrace::batch::Batch rows(schema);
  std::vector<uint32_t> decoded;
  std::vector<millrace::formats::DecodeError> errors;
  size_t count = std::min(millrace::batch::kBatchRows, events().records.size());
  if (!json->decode(std::span(events().records).first(count), rows, decoded, errors).ok())
    state.SkipWithError("the decoder failed");
  millrace::formats::encode_csv(schema, rows, ',', csv);
  std::vector<std::string_view> records = millrace::split_view(csv, '\n');
  records.pop_back();
  for (auto _ : state) {
    rows.reset();
    decoded.clear();
    errors.clear();
    if (!decoder->decode(records, rows, decoded, errors).ok()) state.SkipWithError("the decoder failed");
    benchmark::DoNotOptimize(rows.rows());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * csv.size()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * records.size()));
}
BENCHMARK(decode_csv);

}  // namespace

BENCHMARK_MAIN();
