// The embedded log on one core: building batches, appending without the disk's part (the files of an Env whose sync
// does nothing), appending with fdatasync beside plain write + fdatasync of the same bytes, and reading back.
//
// Files go to $MILLRACE_BENCH_DIR, else to the system's folder for temporary files.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/real_env.h"
#include "log/log.h"

namespace millrace::log {
namespace {

constexpr size_t kRecordBytes = 200;

std::string value_of(size_t i) {
  std::string value(kRecordBytes, ' ');
  uint64_t state = i * 0x9e3779b97f4a7c15ULL + 1;
  for (char& c : value) {
    state ^= state >> 27;
    state *= 0x94d049bb133111ebULL;
    c = static_cast<char>('a' + (state >> 60));
  }
  return value;
}

std::string batch_of_bytes(size_t bytes, Compression compression = Compression::kNone) {
  RecordBatchBuilder builder;
  for (size_t i = 0; builder.size_bytes() < bytes; ++i) builder.add(std::nullopt, value_of(i), 1700000000000);
  return builder.finish(compression).value();
}

/// A real file whose sync is left out.
class UnsyncedFile final : public WritableFile {
 public:
  explicit UnsyncedFile(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  Status append(std::span<const char> bytes) override { return file_->append(bytes); }
  Status sync() override { return {}; }
  Status truncate(uint64_t size) override { return file_->truncate(size); }
  uint64_t size() const override { return file_->size(); }
  Status close() override { return file_->close(); }

 private:
  std::unique_ptr<WritableFile> file_;
};

class UnsyncedFiles final : public FileSystem {
 public:
  explicit UnsyncedFiles(FileSystem& files) : files_(files) {}
  Result<std::unique_ptr<WritableFile>> open_append(const std::string& path) override {
    return wrap(files_.open_append(path));
  }
  Result<std::unique_ptr<WritableFile>> create(const std::string& path) override { return wrap(files_.create(path)); }
  Result<std::unique_ptr<RandomAccessFile>> open_read(const std::string& path) override {
    return files_.open_read(path);
  }
  Result<std::string> read_all(const std::string& path) override { return files_.read_all(path); }
  Status write_atomically(const std::string& path, std::string_view bytes) override {
    return files_.write_atomically(path, bytes);
  }
  Status rename(const std::string& from, const std::string& to) override { return files_.rename(from, to); }
  Status link(const std::string& from, const std::string& to) override { return files_.link(from, to); }
  Status remove(const std::string& path) override { return files_.remove(path); }
  Status remove_recursively(const std::string& path) override { return files_.remove_recursively(path); }
  Status create_directories(const std::string& path) override { return files_.create_directories(path); }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::vector<FileInfo>> list(const std::string& path) override { return files_.list(path); }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Result<uint64_t> free_bytes(const std::string& path) override { return files_.free_bytes(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return files_.lock(path); }

 private:
  static Result<std::unique_ptr<WritableFile>> wrap(Result<std::unique_ptr<WritableFile>> file) {
    if (!file.ok()) return file;
    return std::unique_ptr<WritableFile>(std::make_unique<UnsyncedFile>(std::move(file).value()));
  }
  FileSystem& files_;
};

class UnsyncedEnv final : public Env {
 public:
  Clock& clock() override { return real_.clock(); }
  Random& random() override { return real_.random(); }
  FileSystem& files() override { return files_; }
  Network& network() override { return real_.network(); }
  Failpoints& failpoints() override { return real_.failpoints(); }
  bool single_threaded() const override { return true; }

 private:
  RealEnv real_;
  UnsyncedFiles files_{real_.files()};
};

/// A log with one stream in a folder that goes away with it.
class Bench {
 public:
  explicit Bench(Env& env, const StreamOptions& options = {}) {
    const char* base = ::getenv("MILLRACE_BENCH_DIR");
    std::string path =
        (std::filesystem::path(base ? base : std::filesystem::temp_directory_path().string()) / "log_append_XXXXXX")
            .string();
    MR_CHECK(::mkdtemp(path.data()) != nullptr, "the folder for the files cannot be made");
    directory_ = path;
    log_ = Log::open(env, directory_ + "/log").value();
    stream_ = log_->create_stream(StreamId{1}, "bench", options).value();
  }
  ~Bench() {
    stream_.reset();
    log_.reset();
    std::filesystem::remove_all(directory_);
  }
  Partition& partition(int32_t id = 0) { return stream_->partition(PartitionId{id}); }
  const std::string& directory() const { return directory_; }
  /// So that the disk does not fill up.
  void forget() { MR_CHECK(partition().truncate_to(Offset{0}).ok(), "truncation failed"); }

 private:
  std::string directory_;
  std::unique_ptr<Log> log_;
  std::shared_ptr<Stream> stream_;
};

constexpr uint64_t kForgetBytes = uint64_t{1} << 30;

void build_batches(benchmark::State& state) {
  std::vector<std::string> values;
  for (size_t i = 0; i < 1000; ++i) values.push_back(value_of(i));
  auto compression = static_cast<Compression>(state.range(0));
  RecordBatchBuilder builder;
  size_t records = 0;
  for (auto _ : state) {
    for (size_t i = 0; builder.size_bytes() < (size_t{1} << 20); ++i, ++records)
      builder.add(std::nullopt, values[i % 1000], 1700000000000);
    benchmark::DoNotOptimize(builder.finish(compression).value());
  }
  state.SetItemsProcessed(static_cast<int64_t>(records));
  state.SetBytesProcessed(static_cast<int64_t>(records * kRecordBytes));
}
BENCHMARK(build_batches)->Arg(0)->Arg(3)->Arg(4)->ArgName("compression");

/// Appends of batches of range(0) bytes, range(1) of them a sync.
void append_loop(benchmark::State& state, Env& env) {
  Bench bench(env);
  const std::string batch = batch_of_bytes(static_cast<size_t>(state.range(0)));
  uint64_t bytes = 0;
  uint64_t since_forgotten = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(1); ++i) {
      auto ticket = bench.partition().append(batch);  // includes one copy of the batch
      MR_CHECK(ticket.ok(), "append failed");
    }
    MR_CHECK(bench.partition().sync().ok(), "sync failed");
    bytes += batch.size() * static_cast<uint64_t>(state.range(1));
    since_forgotten += batch.size() * static_cast<uint64_t>(state.range(1));
    if (since_forgotten > kForgetBytes) {
      state.PauseTiming();
      bench.forget();
      since_forgotten = 0;
      state.ResumeTiming();
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.SetItemsProcessed(static_cast<int64_t>(bytes / kRecordBytes));
}

void append_without_disk(benchmark::State& state) {
  UnsyncedEnv env;
  append_loop(state, env);
}
BENCHMARK(append_without_disk)
    ->Args({1 << 20, 1})
    ->Args({1 << 20, 8})
    ->Args({100 << 10, 10})
    ->Args({10 << 10, 100})
    ->Args({1 << 10, 1000});

void append_with_fdatasync(benchmark::State& state) {
  RealEnv env;
  append_loop(state, env);
}
BENCHMARK(append_with_fdatasync)
    ->Args({1 << 10, 1})
    ->Args({100 << 10, 1})
    ->Args({1 << 20, 1})
    ->Args({1 << 20, 16})
    ->UseRealTime();

/// What the disk gives without a log: the limit of the above.
void write_and_fdatasync(benchmark::State& state) {
  RealEnv env;
  Bench bench(env);
  auto file = env.files().create(bench.directory() + "/plain").value();
  const std::string bytes = batch_of_bytes(static_cast<size_t>(state.range(0)));
  uint64_t total = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(1); ++i) MR_CHECK(file->append(bytes).ok(), "write failed");
    MR_CHECK(file->sync().ok(), "sync failed");
    total += bytes.size() * static_cast<uint64_t>(state.range(1));
    if (file->size() > kForgetBytes) MR_CHECK(file->truncate(0).ok(), "truncate failed");
  }
  state.SetBytesProcessed(static_cast<int64_t>(total));
}
BENCHMARK(write_and_fdatasync)
    ->Args({1 << 10, 1})
    ->Args({100 << 10, 1})
    ->Args({1 << 20, 1})
    ->Args({1 << 20, 16})
    ->UseRealTime();

/// Group commit: range(0) threads, each waiting for its own batch of 1 KiB.
void append_from_threads(benchmark::State& state) {
  RealEnv env;
  Bench bench(env);
  const std::string batch = batch_of_bytes(1 << 10);
  constexpr int kEach = 20;
  int64_t appends = 0;
  for (auto _ : state) {
    std::vector<std::thread> threads;
    for (int64_t t = 0; t < state.range(0); ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) MR_CHECK(bench.partition().append_and_wait(batch).ok(), "append failed");
      });
    }
    for (std::thread& thread : threads) thread.join();
    appends += state.range(0) * kEach;
  }
  state.SetItemsProcessed(appends);
  state.counters["appends"] = benchmark::Counter(static_cast<double>(appends), benchmark::Counter::kIsRate);
}
BENCHMARK(append_from_threads)->Arg(1)->Arg(4)->Arg(16)->Arg(64)->UseRealTime();

/// Reads 512 MiB that are in the system's cache; with range(0) also checks every CRC and walks over every record.
void read_back(benchmark::State& state) {
  UnsyncedEnv env;
  Bench bench(env);
  const std::string batch = batch_of_bytes(static_cast<size_t>(state.range(1)));
  while (bench.partition().size_bytes() < (uint64_t{512} << 20)) {
    MR_CHECK(bench.partition().append(batch).ok(), "append failed");
    MR_CHECK(bench.partition().sync().ok(), "sync failed");
  }
  uint64_t bytes = 0;
  uint64_t records = 0;
  Decompressor decompressor;
  ReadBatches batches;
  for (auto _ : state) {
    Offset at{0};
    do {
      MR_CHECK(bench.partition().read(at, 2 << 20, batches).ok(), "read failed");
      at = batches.next_offset();
      for (const StoredBatch& stored : batches.batches()) {
        bytes += stored.bytes.size();
        if (state.range(0) == 0) continue;
        uint64_t sum = 0;
        auto view = RecordBatchView::parse(stored.bytes).value();
        MR_CHECK(view.for_each(decompressor, [&](const RecordView& record) { sum += record.value->size(); }).ok(),
                 "decode failed");
        records += static_cast<uint64_t>(stored.offset_count);
        benchmark::DoNotOptimize(sum);
      }
    } while (!batches.empty());
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.SetItemsProcessed(static_cast<int64_t>(records));
}
BENCHMARK(read_back)->Args({0, 1 << 20})->Args({1, 1 << 20})->Args({1, 10 << 10})->ArgNames({"decode", "batch"});

}  // namespace
}  // namespace millrace::log
