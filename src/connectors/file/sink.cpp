#include "connectors/file/sink.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/failpoints.h"
#include "base/paths.h"
#include "connectors/file/destination.h"
#include "connectors/file/row_file.h"

namespace millrace::connectors::file {
namespace {

class FileSink final : public Sink {
 public:
  FileSink(const SinkSetup& setup, Destination to, std::unique_ptr<RowFile> file)
      : env_(*setup.env),
        name_(setup.name),
        schema_(setup.schema),
        to_(std::move(to)),
        roll_bytes_(static_cast<uint64_t>(setup.options.integer("roll_size", 128 << 20))),
        roll_age_(setup.options.has("roll_age") ? setup.options.duration("roll_age") : Duration::from_seconds(60)),
        file_(std::move(file)) {}

  Result<int64_t> open() override {
    begun_ = false;
    MR_TRY(named(env_.files().create_directories(to_.directory)));
    auto files = env_.files().list(to_.directory);
    if (!files.ok()) return named(std::move(files)).error();
    int64_t next = 0;
    for (const FileInfo& file : *files) {
      if (file.name == to_.temporary_name()) MR_TRY(named(env_.files().remove(to_.temporary_path())));
      if (auto last = to_.last_offset_of(file.name)) next = std::max(next, *last + 1);
    }
    // A rename that is seen here may not be durable yet, if what followed it failed.
    MR_TRY(named(env_.files().sync_directory(to_.directory)));
    MR_TRY(env_.failpoints().point("sink.file.opened").check());
    first_ = next_ = next;
    return next;
  }

  Status write(const batch::Batch& rows, int64_t next_offset) override {
    if (!begun_) {
      MR_TRY(named(file_->begin(to_.temporary_path())));
      begun_ = true;
      oldest_ = env_.clock().now();
    }
    MR_TRY(named(file_->append(rows)));
    MR_TRY(env_.failpoints().point("sink.file.written").check());
    next_ = next_offset;
    return {};
  }

  Status commit() override {
    if (!begun_) return {};
    MR_TRY(env_.failpoints().point("sink.file.commit.before").check());
    MR_TRY(publish(to_.part_path(first_, next_ - 1)));
    first_ = next_;
    return env_.failpoints().point("sink.file.commit.after").check();
  }

  bool wants_commit(Timestamp now) const override {
    if (!begun_) return false;
    return file_->bytes() >= roll_bytes_ || (roll_age_ && now - oldest_ >= *roll_age_);
  }

  Status replace(const SnapshotReader& rows, uint64_t epoch) override {
    MR_TRY(named(env_.files().create_directories(to_.directory)));
    MR_TRY(named(file_->begin(to_.temporary_path())));
    batch::Batch batch(schema_);
    while (true) {
      batch.reset();
      MR_TRY(rows(batch));
      if (batch.empty()) break;
      MR_TRY(named(file_->append(batch)));
    }
    MR_TRY(env_.failpoints().point("sink.file.replace.before").check());
    MR_TRY(publish(to_.snapshot_path()));
    MR_TRY(env_.failpoints().point("sink.file.replace.after").check());
    epoch_ = epoch;
    return {};
  }

  Result<uint64_t> snapshot_epoch() override { return epoch_; }

 private:
  /// The temporary file under its own name: durable, and there at once.
  Status publish(const std::string& path) {
    MR_TRY(named(file_->finish()));
    MR_TRY(env_.failpoints().point("sink.file.finished").check());
    begun_ = false;
    MR_TRY(named(env_.files().rename(to_.temporary_path(), path)));
    MR_TRY(env_.failpoints().point("sink.file.renamed").check());
    return named(env_.files().sync_directory(to_.directory));
  }

  template <typename T>
  Result<T> named(Result<T> result) const {
    if (result.ok()) return result;
    return std::move(result).error().within("sink " + name_);
  }

  Env& env_;
  const std::string name_;
  const batch::Schema schema_;
  const Destination to_;
  const uint64_t roll_bytes_;
  const std::optional<Duration> roll_age_;
  std::unique_ptr<RowFile> file_;
  bool begun_ = false;  // the temporary file holds rows [first_, next_)
  int64_t first_ = 0;
  int64_t next_ = 0;
  Timestamp oldest_;    // when the first of them came
  uint64_t epoch_ = 0;  // of the snapshot that was written last
};

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup) {
  if (setup.mode == SinkMode::kUpsert) {
    return user_error(sqlstate::kNotSupported, "sink " + setup.name + ": the rows of a file cannot be updated by key")
        .with_hint("use mode = 'snapshot' for the whole view, or mode = 'changes' for every change");
  }
  MR_ASSIGN(Destination to, find_destination(setup));
  auto file = make_row_file(*setup.env, setup.schema, to.rows);
  if (!file.ok()) return std::move(file).error().within("sink " + setup.name);
  return std::unique_ptr<Sink>(std::make_unique<FileSink>(setup, std::move(to), std::move(file).value()));
}

}  // namespace millrace::connectors::file
