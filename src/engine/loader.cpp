#include "engine/loader.h"

#include "base/text.h"
#include "connectors/connector.h"
#include "engine/directory_files.h"

namespace millrace::engine {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

/// The connector and path of an object's bounded input; an empty path: it has none.
std::pair<std::string, std::string> input_of(const sql::CatalogObject& object) {
  const sql::Options& options = object.options;
  std::string connector = options.has("connector") ? options.text("connector") : "log";
  if (options.has("load") && !options.text("load").empty()) return {"file", options.text("load")};
  if (connector == "log" || connector.empty()) return {};
  std::string path = options.has("path") ? options.text("path") : connector;
  return {connector, path};
}

}  // namespace

Status Loader::open() {
  MR_ASSIGN(std::optional<LoadsFile> loads, read_loads(node_.env.files(), node_.options.data_directory));
  if (loads) done_ = std::move(loads->done);
  return {};
}

void Loader::follow() {
  std::lock_guard guard(mutex_);
  for (const sql::CatalogObject* object : node_.catalog.objects()) {
    if (object->kind != sql::ObjectKind::kStream && object->kind != sql::ObjectKind::kTable) continue;
    auto [connector, path] = input_of(*object);
    if (path.empty() || done_.count(object->stream.value)) continue;
    bool known = std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->id == object->stream; });
    if (known) continue;
    auto job = std::make_shared<Job>();
    job->stream = object->name;
    job->id = object->stream;
    job->status.stream = object->name;
    job->status.path = path;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Loader::start() {
  if (!node_.env.single_threaded() && !thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Loader::stop() {
  {
    std::lock_guard guard(mutex_);  // or a thread that is about to wait would miss it
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Loader::append_chunk(const sql::CatalogObject& object, const std::string& mark,
                            const connectors::RecordChunk& chunk) {
  AppendRequest request;
  request.idempotency_key = mark;
  request.refused = chunk.too_long;
  MR_ASSIGN(AppendReceipt receipt, append_records(node_, object.name, chunk.records, request));
  if (receipt.rejected.empty()) return {};
  return user_error(sqlstate::kTooLarge,
                    "record " + std::to_string(receipt.rejected[0].line) + " of a chunk: " + receipt.rejected[0].error);
}

Status Loader::load(Job& job) {
  sql::CatalogObject object;
  connectors::SourceSetup setup;
  {
    std::shared_lock readers(node_.readers_mutex);
    const sql::CatalogObject* found = node_.catalog.find(job.stream);
    if (!found) return {};
    object = *found;
    setup.base_directory = node_.base_directory;
  }
  auto [connector, path] = input_of(object);
  setup.env = &node_.env;
  setup.path = path;
  setup.format = object.options.has("format") ? object.options.text("format") : "";
  setup.options = object.options;
  for (const sql::CatalogColumn& column : object.columns) setup.columns.push_back(column.name);
  setup.record_bytes_max = node_.options.record_bytes_max;
  MR_ASSIGN(auto source, connectors::open_source(connector, setup));
  {
    std::lock_guard guard(mutex_);
    job.status.bytes_total = source->total_bytes();
  }
  while (!stopping_) {
    MR_ASSIGN(connectors::RecordChunk chunk, source->read(kChunkBytes));
    if (!chunk.records.empty()) {
      std::string mark = "load:" + std::to_string(object.stream.value) + ":" + std::to_string(chunk.first_position);
      MR_TRY(append_chunk(object, mark, chunk));
    }
    std::lock_guard guard(mutex_);
    job.status.bytes = chunk.first_position;
    job.status.records += chunk.records.size();
    job.status.too_long += chunk.too_long.size();
    if (chunk.end) {
      job.status.bytes = job.status.bytes_total;
      return {};
    }
  }
  return user_error(sqlstate::kCancelled, "the node is stopping");
}

Status Loader::remember(StreamId id) {
  std::set<uint32_t> done;
  {
    std::lock_guard guard(mutex_);
    done_.insert(id.value);
    done = done_;
  }
  return write_loads(node_.env.files(), node_.options.data_directory, done);
}

void Loader::run() {
  while (!stopping_) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock guard(mutex_);
      changed_.wait(guard, [&] {
        for (auto& candidate : jobs_) {
          if (!candidate->status.done && !candidate->failure) job = candidate;
          if (job) return true;
        }
        return stopping_.load();
      });
    }
    if (!job) return;
    Status status = load(*job);
    if (status.ok()) status = remember(job->id);
    {
      std::lock_guard guard(mutex_);
      job->status.done = status.ok();
      if (!status.ok()) job->failure = status.error();
      if (!status.ok()) job->status.failure = status.error().message;
    }
    changed_.notify_all();
  }
}

Status Loader::finish() {
  if (!thread_.joinable()) {
    for (auto& job : jobs_) {
      if (job->status.done) continue;
      MR_TRY(load(*job));
      MR_TRY(remember(job->id));
      job->status.done = true;
    }
    return {};
  }
  std::unique_lock guard(mutex_);
  changed_.wait(guard, [&] {
    return stopping_ ||
           std::all_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->status.done || job->failure; });
  });
  for (const auto& job : jobs_) {
    if (job->failure) return Error(*job->failure).within("loading " + job->stream);
    if (!job->status.done)
      return user_error(sqlstate::kCancelled, "the node stopped before " + job->stream + " was loaded");
  }
  return {};
}

std::vector<LoadStatus> Loader::status() const {
  std::lock_guard guard(mutex_);
  std::vector<LoadStatus> all;
  for (const auto& job : jobs_) all.push_back(job->status);
  return all;
}

}  // namespace millrace::engine
