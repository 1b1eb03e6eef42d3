#include "log/log.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>

#include "base/paths.h"
#include "log/partition_begin.h"
#include "log/stream_file.h"
#include "log/sync_pool.h"

namespace millrace::log {

namespace {

constexpr std::string_view kStreamFile = "stream";
constexpr size_t kStreamIdDigits = 8;
/// More partitions than this in one stream are a mistake.
constexpr int32_t kPartitionsMax = 4096;
constexpr uint64_t kSegmentBytesMin = 4096;

std::string stream_directory_name(StreamId id) { return fmt::format("{:08}", id.value); }

std::optional<StreamId> parse_stream_directory_name(std::string_view name) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (name.size() < kStreamIdDigits || error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return StreamId{value};
}

Status check_options(const StreamOptions& options) {
  if (options.partitions < 1 || options.partitions > kPartitionsMax) {
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("partitions must be 1 to {}: {}", kPartitionsMax, options.partitions));
  }
  if (options.segment_bytes < kSegmentBytesMin) {
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("segment_bytes must be at least {}: {}", kSegmentBytesMin, options.segment_bytes));
  }
  return {};
}

/// Collects the outcomes of appends that settle on different threads.
struct Settling {
  Settling(size_t count, std::function<void(std::vector<Result<AppendResult>>)> callback)
      : outcomes(count), left(count), done(std::move(callback)) {}

  std::vector<std::optional<Result<AppendResult>>>
      outcomes;  // each written by one thread, before it counts `left` down
  std::atomic<size_t> left;
  std::function<void(std::vector<Result<AppendResult>>)> done;

  void settle(size_t place, Result<AppendResult> outcome) {
    outcomes[place] = std::move(outcome);
    if (--left > 0) return;
    std::vector<Result<AppendResult>> results;
    results.reserve(outcomes.size());
    for (auto& result : outcomes) results.push_back(*std::move(result));
    done(std::move(results));
  }
};

}  // namespace

struct Log::State {
  State(Env& log_env, std::string log_directory) : env(log_env), directory(std::move(log_directory)) {}

  Env& env;
  const std::string directory;
  std::unique_ptr<SyncPool> pool;  // none when single-threaded; outlives the streams below
  DurableListener listener;        // set before the first append

  std::mutex creation;  // one stream is created or dropped at a time; taken before `mutex`
  std::mutex mutex;
  std::map<StreamId, std::shared_ptr<Stream>> streams;  // guarded by mutex
  // shared: a request may hold a stream that is being dropped.

  std::string stream_directory(StreamId id) const { return join_path(directory, stream_directory_name(id)); }
  Result<std::shared_ptr<Stream>> open_stream(StreamDescription description);
  Status open_all();
};

Result<std::shared_ptr<Stream>> Log::State::open_stream(StreamDescription description) {
  std::vector<std::unique_ptr<Partition>> partitions;
  for (int32_t i = 0; i < description.options.partitions; ++i) {
    auto tell = [this](StreamId stream, PartitionId partition, Offset end) {
      if (listener) listener(stream, partition, end);
    };
    MR_ASSIGN(std::unique_ptr<Partition> partition,
              Partition::open({.env = &env,
                               .pool = pool.get(),
                               .directory = join_path(stream_directory(description.id), std::to_string(i)),
                               .stream = description.id,
                               .id = PartitionId{i},
                               .options = description.options,
                               .listener = std::move(tell)}));
    partitions.push_back(std::move(partition));
  }
  return std::make_shared<Stream>(description.id, std::move(description.name), description.options,
                                  std::move(partitions));
}

Status Log::State::open_all() {
  MR_ASSIGN(std::vector<FileInfo> entries, env.files().list(directory));
  for (const FileInfo& entry : entries) {
    std::optional<StreamId> id = parse_stream_directory_name(entry.name);
    if (!id || !entry.is_directory) continue;
    std::string path = join_path(stream_directory(*id), kStreamFile);
    MR_ASSIGN(bool exists, env.files().exists(path));
    if (!exists) {  // half-made or half-dropped
      MR_TRY(env.files().remove_recursively(stream_directory(*id)));
      MR_TRY(env.files().sync_directory(directory));
      continue;
    }
    MR_ASSIGN(std::string text, env.files().read_all(path));
    Result<StreamDescription> description = decode_stream_file(text);
    if (!description.ok()) return std::move(description).error().within(path);
    if (description->id != *id) {
      return external_error(sqlstate::kDataCorrupted,
                            fmt::format("stream file belongs to stream {}: {}", description->id.value, path));
    }
    MR_ASSIGN(streams[*id], open_stream(std::move(description).value()));
  }
  return {};
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}

Log::~Log() { (void)close(); }

Result<std::unique_ptr<Log>> Log::open(Env& env, std::string directory, const LogOptions& options) {
  auto state = std::make_unique<State>(env, std::move(directory));
  MR_TRY(env.files().create_directories(state->directory));
  MR_TRY(env.files().sync_directory(parent_path(state->directory)));
  if (!env.single_threaded()) state->pool = std::make_unique<SyncPool>(std::max(1, options.sync_threads));
  MR_TRY(state->open_all());
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Result<std::shared_ptr<Stream>> Log::create_stream(StreamId id, std::string_view name, const StreamOptions& options) {
  MR_TRY(check_options(options));
  std::lock_guard creating(state_->creation);
  if (find(id) != nullptr) return internal_error(fmt::format("stream id is in use: {}", id.value));
  if (find(name) != nullptr)
    return user_error(sqlstate::kDuplicateTable, fmt::format("stream exists already: {}", name));
  FileSystem& files = state_->env.files();
  std::string directory = state_->stream_directory(id);
  MR_TRY(files.remove_recursively(directory));  // what an attempt that failed left
  MR_TRY(files.create_directories(directory));
  for (int32_t i = 0; i < options.partitions; ++i) {
    const std::string place = join_path(directory, std::to_string(i));
    MR_TRY(Partition::create(state_->env, place, id, PartitionId{i}));
    if (options.has_retention()) MR_TRY(write_begin(files, place, Offset{0}));
  }
  MR_TRY(files.sync_directory(directory));
  MR_TRY(files.sync_directory(state_->directory));
  StreamDescription description{id, std::string(name), options};
  MR_TRY(files.write_atomically(join_path(directory, kStreamFile), encode_stream_file(description)));
  MR_ASSIGN(std::shared_ptr<Stream> stream, state_->open_stream(std::move(description)));
  std::lock_guard lock(state_->mutex);
  state_->streams[id] = stream;
  return stream;
}

Status Log::drop_stream(StreamId id) {
  std::lock_guard creating(state_->creation);
  std::shared_ptr<Stream> stream = find(id);
  if (stream == nullptr)
    return user_error(sqlstate::kUndefinedTable, fmt::format("stream does not exist: {}", id.value));
  for (int32_t i = 0; i < stream->partition_count(); ++i) (void)stream->partition(PartitionId{i}).close();
  FileSystem& files = state_->env.files();
  std::string directory = state_->stream_directory(id);
  MR_TRY(files.remove(join_path(directory, kStreamFile)));
  MR_TRY(files.sync_directory(directory));
  {
    std::lock_guard lock(state_->mutex);
    state_->streams.erase(id);
  }
  MR_TRY(files.remove_recursively(directory));
  return files.sync_directory(state_->directory);
}

std::shared_ptr<Stream> Log::find(StreamId id) const {
  std::lock_guard lock(state_->mutex);
  auto found = state_->streams.find(id);
  return found == state_->streams.end() ? nullptr : found->second;
}

std::shared_ptr<Stream> Log::find(std::string_view name) const {
  std::lock_guard lock(state_->mutex);
  for (const auto& [id, stream] : state_->streams) {
    if (stream->name() == name) return stream;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Stream>> Log::streams() const {
  std::lock_guard lock(state_->mutex);
  std::vector<std::shared_ptr<Stream>> all;
  for (const auto& [id, stream] : state_->streams) all.push_back(stream);
  return all;
}

Status Log::sync(std::span<Partition* const> partitions) {
  for (size_t i = 1; i < partitions.size(); ++i) partitions[i]->start_sync();
  Status first_error;
  for (Partition* partition : partitions) {
    Status status = partition->sync();
    if (!status.ok() && first_error.ok()) first_error = std::move(status);
  }
  return first_error;
}

std::vector<Result<AppendResult>> Log::wait_all(std::span<const PendingAppend> appends) {
  for (size_t i = 1; i < appends.size(); ++i) appends[i].partition->start_sync();
  std::vector<Result<AppendResult>> results;
  results.reserve(appends.size());
  for (const PendingAppend& append : appends) results.push_back(append.partition->wait(append.ticket));
  return results;
}

void Log::when_all(std::span<const PendingAppend> appends,
                   std::function<void(std::vector<Result<AppendResult>>)> done) {
  if (appends.empty()) return done({});
  auto settling = std::make_shared<Settling>(appends.size(), std::move(done));
  for (size_t i = 0; i < appends.size(); ++i) {
    appends[i].partition->when_settled(
        appends[i].ticket, [settling, i](Result<AppendResult> outcome) { settling->settle(i, std::move(outcome)); });
  }
  bool inline_only = state_->env.single_threaded();
  for (size_t i = 1; i < appends.size(); ++i) {
    inline_only ? appends[i].partition->sync_queued() : appends[i].partition->start_sync();
  }
  appends[0].partition->sync_queued();
}

void Log::set_durable_listener(DurableListener listener) { state_->listener = std::move(listener); }

Status Log::close() {
  Status first_error;
  for (const auto& stream : streams()) {
    for (int32_t i = 0; i < stream->partition_count(); ++i) {
      Status status = stream->partition(PartitionId{i}).close();
      if (!status.ok() && first_error.ok()) first_error = std::move(status);
    }
  }
  return first_error;
}

}  // namespace millrace::log
