#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "base/real_env.h"
#include "base/simulated_env.h"
#include "connectors/connector.h"
#include "formats/compression.h"
#include "lake/parquet.h"

namespace millrace::connectors {
namespace {

batch::Schema number_schema() {
  batch::Schema schema;
  schema.fields.push_back({"n", batch::Type(batch::TypeId::kBigint)});
  return schema;
}

SinkSetup sink_setup(Env& env, SinkMode mode, const std::string& format, const std::string& path = "/out") {
  SinkSetup setup;
  setup.env = &env;
  setup.name = "files";
  setup.source = "numbers";
  setup.mode = mode;
  setup.schema = number_schema();
  setup.base_directory = "/";
  setup.options.set("path", {sql::OptionKind::kText, path});
  if (!format.empty()) setup.options.set("format", {sql::OptionKind::kEnum, format});
  return setup;
}

batch::Batch numbers(int64_t first, int64_t end) {
  batch::Batch rows(number_schema());
  for (int64_t n = first; n < end; ++n) rows.mutable_column(0).set<int64_t>(static_cast<size_t>(n - first), n);
  rows.set_rows(static_cast<size_t>(end - first));
  return rows;
}

SnapshotReader reader_of(int64_t end) {
  auto next = std::make_shared<int64_t>(0);
  return [next, end](batch::Batch& out) -> Status {
    int64_t to = std::min<int64_t>(end, *next + 100);
    if (*next < to) out.append(numbers(*next, to), 0, static_cast<size_t>(to - *next));
    *next = to;
    return {};
  };
}

std::vector<std::string> names(Env& env, const std::string& folder) {
  std::vector<std::string> found;
  auto files = env.files().list(folder);
  if (!files.ok()) return found;
  for (const FileInfo& file : *files) found.push_back(file.name);
  return found;
}

std::string part(int64_t first, int64_t last, const std::string& ending) {
  auto digits = [](int64_t n) {
    std::string text = std::to_string(n);
    return std::string(20 - text.size(), '0') + text;
  };
  return "numbers-" + digits(first) + "-" + digits(last) + ending;
}

TEST(FileSink, PartsAreNamedByOffsets) {
  SimulatedEnv env(1);
  auto sink = make_sink("file", sink_setup(env, SinkMode::kAppend, "json"));
  ASSERT_TRUE(sink.ok()) << sink.error().message;
  EXPECT_EQ(*(*sink)->open(), 0);
  ASSERT_TRUE((*sink)->commit().ok());
  EXPECT_EQ(names(env, "/out"), std::vector<std::string>{});
  ASSERT_TRUE((*sink)->write(numbers(0, 2), 2).ok());
  EXPECT_EQ(names(env, "/out"), std::vector<std::string>{".numbers.ndjson.tmp"});
  ASSERT_TRUE((*sink)->commit().ok());
  ASSERT_TRUE((*sink)->write(numbers(2, 3), 3).ok());
  ASSERT_TRUE((*sink)->write(numbers(3, 5), 5).ok());
  ASSERT_TRUE((*sink)->commit().ok());
  EXPECT_EQ(names(env, "/out"), (std::vector<std::string>{part(0, 1, ".ndjson"), part(2, 4, ".ndjson")}));
  EXPECT_EQ(*env.files().read_all("/out/" + part(2, 4, ".ndjson")), "{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n");
  // What was written and not committed is gone, and asked for again.
  ASSERT_TRUE((*sink)->write(numbers(5, 6), 6).ok());
  EXPECT_EQ(*(*sink)->open(), 5);
  EXPECT_EQ(names(env, "/out").size(), 2u);
  EXPECT_FALSE((*sink)->wants_commit(env.clock().now()));
}

TEST(FileSink, RollsBySizeAndAge) {
  SimulatedEnv env(1);
  SinkSetup setup = sink_setup(env, SinkMode::kAppend, "json");
  setup.options.set("roll_size", {sql::OptionKind::kSize, "1000", 1000});
  setup.options.set("roll_age", {sql::OptionKind::kDuration, "10 seconds", 10000000});
  auto sink = make_sink("file", setup);
  ASSERT_TRUE((*sink)->open().ok());
  EXPECT_FALSE((*sink)->wants_commit(env.clock().now()));
  ASSERT_TRUE((*sink)->write(numbers(0, 1), 1).ok());
  EXPECT_FALSE((*sink)->wants_commit(env.clock().now()));
  env.clock().advance(Duration::from_seconds(10));
  EXPECT_TRUE((*sink)->wants_commit(env.clock().now()));
  ASSERT_TRUE((*sink)->commit().ok());
  ASSERT_TRUE((*sink)->write(numbers(1, 200), 200).ok());
  EXPECT_TRUE((*sink)->wants_commit(env.clock().now()));
  ASSERT_TRUE((*sink)->commit().ok());
  setup.options.set("roll_age", {sql::OptionKind::kDuration, "none", -1});
  sink = make_sink("file", setup);
  EXPECT_EQ(*(*sink)->open(), 200);
  ASSERT_TRUE((*sink)->write(numbers(200, 201), 201).ok());
  env.clock().advance(Duration::from_seconds(1000000));
  EXPECT_FALSE((*sink)->wants_commit(env.clock().now()));
}

TEST(FileSink, CsvAndPackedFiles) {
  SimulatedEnv env(1);
  SinkSetup setup = sink_setup(env, SinkMode::kSnapshot, "", "/deep/er/report.csv.gz");
  auto sink = make_sink("file", setup);
  ASSERT_TRUE(sink.ok()) << sink.error().message;
  EXPECT_EQ(*(*sink)->snapshot_epoch(), 0u);
  ASSERT_TRUE((*sink)->replace(reader_of(2), 7).ok());
  EXPECT_EQ(*(*sink)->snapshot_epoch(), 7u);
  EXPECT_EQ(names(env, "/deep/er"), std::vector<std::string>{"report.csv.gz"});
  std::string packed = *env.files().read_all("/deep/er/report.csv.gz");
  size_t at = 0;
  auto unpacker =
      formats::make_unpacker(formats::packing_of(packed), [&](char* buffer, size_t length) -> Result<size_t> {
        size_t count = packed.copy(buffer, length, at);
        at += count;
        return count;
      });
  char text[100];
  auto count = unpacker->read(text, sizeof text);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(std::string(text, *count), "n\n0\n1\n");
}

TEST(FileSink, SnapshotIsOneFileCalledAfterTheView) {
  SimulatedEnv env(1);
  auto sink = make_sink("file", sink_setup(env, SinkMode::kSnapshot, "parquet"));
  ASSERT_TRUE(sink.ok()) << sink.error().message;
  ASSERT_TRUE((*sink)->open().ok());
  ASSERT_TRUE((*sink)->replace(reader_of(1000), 1).ok());
  ASSERT_TRUE((*sink)->replace(reader_of(250), 2).ok());
  EXPECT_EQ(names(env, "/out"), std::vector<std::string>{"numbers.parquet"});
  EXPECT_EQ(*lake::parquet_text(env, "/out/numbers.parquet", "count(*), min(n), max(n)"), "250|0|249\n");
  ASSERT_TRUE((*sink)->replace(reader_of(0), 3).ok());
  EXPECT_EQ(*lake::parquet_text(env, "/out/numbers.parquet", "count(*)"), "0\n");
}

/// In one file each: what a snapshot and its successor hold.
bool is_whole_snapshot(Env& env, const std::string& format) {
  std::string path = format == "parquet" ? "/out/numbers.parquet" : "/out/numbers.ndjson";
  if (!*env.files().exists(path)) return true;  // none yet
  if (format == "parquet") {
    auto text = lake::parquet_text(env, path, "count(*), sum(n)");
    return text.ok() && (*text == "300|44850\n" || *text == "450|101025\n");
  }
  std::string first, second;
  for (int n = 0; n < 450; ++n) (n < 300 ? first : second) += "{\"n\":" + std::to_string(n) + "}\n";
  std::string text = *env.files().read_all(path);
  return text == first || text == first + second;
}

TEST(FileSink, SnapshotIsWholeWhereverThePowerGoes) {
  for (const std::string format : {"json", "parquet"}) {
    bool finished = false;
    uint64_t cuts = 0;
    for (uint64_t at = 0; !finished; ++at, ++cuts) {
      SimulatedEnv env(at);
      env.files().power_cut_after(at);
      auto sink = make_sink("file", sink_setup(env, SinkMode::kSnapshot, format));
      ASSERT_TRUE(sink.ok());
      finished =
          (*sink)->open().ok() && (*sink)->replace(reader_of(300), 1).ok() && (*sink)->replace(reader_of(450), 2).ok();
      env.power_cut();
      env.restart();
      EXPECT_TRUE(is_whole_snapshot(env, format)) << format << ", power cut at change " << at;
      EXPECT_TRUE(!finished || *env.files().exists(format == "json" ? "/out/numbers.ndjson" : "/out/numbers.parquet"));
    }
    EXPECT_GT(cuts, 8u) << format;
  }
}

/// The rows of all parts, in the order of their names.
std::vector<int64_t> rows_of_parts(Env& env, const std::string& format) {
  std::vector<int64_t> rows;
  for (const std::string& name : names(env, "/out")) {
    if (name.starts_with('.')) continue;
    std::string text;
    if (format == "parquet") {
      auto read = lake::parquet_text(env, "/out/" + name);
      EXPECT_TRUE(read.ok()) << name << ": " << read.error().message;
      if (read.ok()) text = *read;
    } else {
      text = *env.files().read_all("/out/" + name);
    }
    for (size_t from = 0; from < text.size();) {
      size_t end = text.find('\n', from);
      EXPECT_NE(end, std::string::npos) << name;
      std::string line = text.substr(from, end - from);
      rows.push_back(std::stoll(format == "parquet" ? line : line.substr(5)));
      from = end + 1;
    }
  }
  return rows;
}

/// Delivers rows [0, kRows) as the engine does: from where the sink says, with a commit every now and then.
constexpr int64_t kRows = 50;
bool deliver(Env& env, const std::string& format) {
  auto sink = make_sink("file", sink_setup(env, SinkMode::kAppend, format));
  EXPECT_TRUE(sink.ok());
  auto position = (*sink)->open();
  if (!position.ok()) return false;
  for (int64_t n = *position; n < kRows;) {
    int64_t end = std::min(kRows, n + 4);
    if (!(*sink)->write(numbers(n, end), end).ok()) return false;
    n = end;
    if (n % 12 == 0 && !(*sink)->commit().ok()) return false;
  }
  return (*sink)->commit().ok();
}

std::vector<int64_t> all_rows() {
  std::vector<int64_t> rows;
  for (int64_t n = 0; n < kRows; ++n) rows.push_back(n);
  return rows;
}

TEST(FileSink, ExactlyOnceWhereverThePowerGoes) {
  for (const std::string format : {"json", "parquet"}) {
    for (Survival survival : {Survival::kSeeded, Survival::kNothing, Survival::kEverything}) {
      if (format == "parquet" && survival != Survival::kSeeded) continue;  // each look into a file opens a DuckDB
      bool finished = false;
      uint64_t cuts = 0;
      for (uint64_t at = 0; !finished; ++at, ++cuts) {
        SimulatedEnv env(at);
        env.files().power_cut_after(at, survival);
        finished = deliver(env, format);
        if (finished) env.power_cut(survival);
        env.restart();
        // What is visible is whole and a beginning of all rows, at any time.
        std::vector<int64_t> visible = rows_of_parts(env, format);
        std::vector<int64_t> expected = all_rows();
        ASSERT_LE(visible.size(), expected.size());
        if (finished) {
          EXPECT_EQ(visible, expected) << "what was delivered must survive";
        }
        EXPECT_TRUE(std::equal(visible.begin(), visible.end(), expected.begin()))
            << format << ", power cut at change " << at;
        ASSERT_TRUE(deliver(env, format));
        EXPECT_EQ(rows_of_parts(env, format), expected) << format << ", power cut at change " << at;
        if (::testing::Test::HasFailure()) return;
      }
      EXPECT_GT(cuts, 15u) << format;
    }
  }
}

TEST(FileSink, ExactlyOnceWhateverOperationFails) {
  int failures = 0;
  for (FileOperation operation :
       {FileOperation::kOpen, FileOperation::kAppend, FileOperation::kSync, FileOperation::kRename,
        FileOperation::kSyncDirectory, FileOperation::kList, FileOperation::kRemove}) {
    for (uint64_t after = 0; after < 8; ++after) {
      SimulatedEnv env(after);
      FileFault fault;
      fault.operation = operation;
      fault.path_part = "out";
      fault.errno_value = EIO;
      fault.after = after;
      env.files().inject(fault);
      int attempts = 0;
      while (!deliver(env, "json")) ASSERT_LT(++attempts, 3);
      env.files().clear_faults();
      env.power_cut(Survival::kNothing);
      env.restart();
      EXPECT_EQ(rows_of_parts(env, "json"), all_rows());
      failures += attempts;
    }
  }
  EXPECT_GT(failures, 20);
}

TEST(FileSink, OnARealDisk) {
  RealEnv env;
  std::string folder = testing::TempDir() + "millrace_file_sink_test";
  ASSERT_TRUE(env.files().remove_recursively(folder).ok());
  for (const std::string format : {"json", "parquet"}) {
    SinkSetup setup = sink_setup(env, SinkMode::kAppend, format, folder + "/parts");
    for (int64_t start = 0; start < 6000; start += 2000) {
      auto sink = make_sink("file", setup);
      ASSERT_TRUE(sink.ok());
      ASSERT_EQ(*(*sink)->open(), start);
      ASSERT_TRUE((*sink)->write(numbers(start, start + 2000), start + 2000).ok());
      ASSERT_TRUE((*sink)->commit().ok());
      ASSERT_TRUE((*sink)->write(numbers(0, 1), start + 2001).ok());  // is left behind
    }
    setup.mode = SinkMode::kSnapshot;
    auto sink = make_sink("file", setup);
    ASSERT_TRUE((*sink)->open().ok());
    ASSERT_TRUE((*sink)->replace(reader_of(3000), 1).ok());
  }
  std::vector<std::string> expected;
  for (int64_t start = 0; start < 6000; start += 2000) {
    expected.push_back(part(start, start + 1999, ".ndjson"));
    expected.push_back(part(start, start + 1999, ".parquet"));
  }
  expected.insert(expected.end(), {"numbers.ndjson", "numbers.parquet"});
  EXPECT_EQ(names(env, folder + "/parts"), expected);
  EXPECT_EQ(*lake::parquet_text(env, folder + "/parts/numbers.parquet", "count(*), sum(n)"), "3000|4498500\n");
  EXPECT_EQ(*lake::parquet_text(env, folder + "/parts/" + part(4000, 5999, ".parquet"), "count(*), min(n)"),
            "2000|4000\n");
  EXPECT_TRUE(env.files().remove_recursively(folder).ok());
}

TEST(FileSink, ErrorsSayWhere) {
  SimulatedEnv env(1);
  auto error_of = [](const auto& result) { return result.ok() ? std::string("no error") : result.error().message; };
  Result<std::unique_ptr<Sink>> upsert = make_sink("file", sink_setup(env, SinkMode::kUpsert, "json"));
  ASSERT_FALSE(upsert.ok());
  EXPECT_EQ(upsert.error().code, sqlstate::kNotSupported);
  EXPECT_NE(
      error_of(make_sink("file", sink_setup(env, SinkMode::kAppend, "raw"))).find("not written in the format raw"),
      std::string::npos);
  EXPECT_NE(error_of(make_sink("file", sink_setup(env, SinkMode::kSnapshot, "json", "/x.csv"))).find("/x.csv"),
            std::string::npos);
  EXPECT_NE(error_of(make_sink("file", sink_setup(env, SinkMode::kSnapshot, "json", ""))).find("the path is missing"),
            std::string::npos);

  ASSERT_TRUE(env.files().write_atomically("/plain", "x").ok());
  auto sink = make_sink("file", sink_setup(env, SinkMode::kAppend, "json", "/plain"));
  std::string message = error_of((*sink)->open());
  EXPECT_NE(message.find("sink files: "), std::string::npos) << message;
  EXPECT_NE(message.find("/plain"), std::string::npos) << message;

  FileFault read_only;
  read_only.operation = FileOperation::kOpen;
  read_only.path_part = "/out";
  read_only.errno_value = EROFS;
  env.files().inject(read_only);
  sink = make_sink("file", sink_setup(env, SinkMode::kAppend, "json"));
  ASSERT_TRUE((*sink)->open().ok());
  message = error_of((*sink)->write(numbers(0, 1), 1));
  EXPECT_NE(message.find("/out/.numbers.ndjson.tmp: Read-only file system"), std::string::npos) << message;

  env.files().clear_faults();
  ASSERT_TRUE((*sink)->open().ok());
  ASSERT_TRUE((*sink)->write(numbers(0, 1000), 1000).ok());
  env.files().set_capacity(env.files().used_bytes() + 100);
  Status full = (*sink)->commit();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, sqlstate::kDiskFull);
  env.files().set_capacity(1 << 30);
  EXPECT_EQ(*(*sink)->open(), 0);
  ASSERT_TRUE((*sink)->write(numbers(0, 1000), 1000).ok());
  EXPECT_TRUE((*sink)->commit().ok());
}

}  // namespace
}  // namespace millrace::connectors
