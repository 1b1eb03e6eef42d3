#include "connectors/file/sink.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/paths.h"
#include "base/text.h"
#include "formats/encoder.h"
#include "lake/parquet.h"

namespace millrace::connectors::file {
namespace {

constexpr std::string_view kTemporary = ".tmp";

enum class Format : uint8_t { kParquet, kNdjson, kCsv };

std::string_view extension(Format format) {
  static constexpr std::string_view kExtensions[] = {".parquet", ".ndjson", ".csv"};
  return kExtensions[static_cast<size_t>(format)];
}

/// Rows of one file that is being made: in memory as text, or with the Parquet writer.
class Contents {
 public:
  static Result<Contents> create(Format format, const SinkSetup& setup) {
    Contents contents(format, setup);
    MR_TRY(contents.clear());
    return contents;
  }

  Status append(const batch::Batch& rows) {
    rows_ += rows.rows();
    if (format_ == Format::kParquet) return parquet_->append(rows);
    if (format_ == Format::kCsv) {
      formats::encode_csv(schema_, rows, delimiter_, text_);
    } else {
      formats::encode_ndjson(schema_, rows, text_);
    }
    return {};
  }

  uint64_t rows() const { return rows_; }
  uint64_t bytes() const { return format_ == Format::kParquet ? rows_ * 64 : text_.size(); }

  /// Writes `path`, durably, all or nothing; then empty again.
  Status write(Env& env, const std::string& path) {
    FileSystem& files = env.files();
    if (format_ != Format::kParquet) {
      MR_TRY(files.write_atomically(path, text_));
      return clear();
    }
    std::string temporary = path + std::string(kTemporary);
    MR_ASSIGN(bool left_over, files.exists(temporary));
    if (left_over) MR_TRY(files.remove(temporary));
    MR_TRY(parquet_->write(temporary));
    MR_ASSIGN(auto file, files.open_append(temporary));
    MR_TRY(file->sync());
    MR_TRY(file->close());
    MR_TRY(files.rename(temporary, path));
    MR_TRY(files.sync_directory(parent_path(path)));
    return clear();
  }

 private:
  Contents(Format format, const SinkSetup& setup) : format_(format), schema_(setup.schema) {
    bool given = setup.options.has("delimiter") && !setup.options.text("delimiter").empty();
    if (given) delimiter_ = setup.options.text("delimiter")[0];
    header_ = !setup.options.has("header") || setup.options.boolean("header");
  }

  Status clear() {
    rows_ = 0;
    text_.clear();
    if (format_ == Format::kCsv && header_) formats::encode_csv_header(schema_, delimiter_, text_);
    if (format_ == Format::kParquet && !parquet_) {
      MR_ASSIGN(parquet_, lake::ParquetWriter::create(schema_));
    }
    return {};
  }

  Format format_;
  batch::Schema schema_;
  char delimiter_ = ',';
  bool header_ = true;
  uint64_t rows_ = 0;
  std::string text_;
  std::unique_ptr<lake::ParquetWriter> parquet_;
};

class FileSink final : public Sink {
 public:
  FileSink(const SinkSetup& setup, Format format, std::string directory, std::string name, Contents contents)
      : env_(*setup.env), format_(format), directory_(std::move(directory)), name_(std::move(name)), contents_(std::move(contents)),
        roll_bytes_(static_cast<uint64_t>(setup.options.integer("roll_size", 128 << 20))),
        roll_age_(setup.options.duration("roll_age").value_or(Duration::from_seconds(60))) {}

  Result<int64_t> open() override {
    MR_TRY(env_.files().create_directories(directory_));
    MR_ASSIGN(std::vector<FileInfo> files, env_.files().list(directory_));
    int64_t next = 0;
    for (const FileInfo& file : files) {
      if (file.name.starts_with(name_) && file.name.ends_with(kTemporary)) MR_TRY(env_.files().remove(join_path(directory_, file.name)));
      if (auto last = last_offset(file.name)) next = std::max(next, *last + 1);
    }
    first_ = next_ = next;
    // What was written but not committed is given again.
    if (contents_.rows() > 0) MR_TRY(start_over());
    return next;
  }

  Status write(const batch::Batch& rows, int64_t next_offset) override {
    if (contents_.rows() == 0) oldest_ = env_.clock().now();
    next_ = next_offset;
    return contents_.append(rows);
  }

  Status commit() override {
    if (contents_.rows() == 0) return {};
    std::string path = join_path(directory_, fmt::format("{}-{:020}-{:020}{}", name_, first_, next_ - 1, extension(format_)));
    MR_TRY(contents_.write(env_, path));
    first_ = next_;
    return {};
  }

  bool wants_commit(Timestamp now) const override {
    return contents_.rows() > 0 && (contents_.bytes() >= roll_bytes_ || now - oldest_ >= roll_age_);
  }

  Status replace(const SnapshotReader& rows, uint64_t epoch) override {
    MR_TRY(env_.files().create_directories(directory_));
    std::optional<batch::Batch> batch;
    batch.emplace(schema_types_);
    while (true) {
      MR_TRY(rows(*batch));
      if (batch->empty()) break;
      MR_TRY(contents_.append(*batch));
    }
    MR_TRY(contents_.write(env_, join_path(directory_, name_ + std::string(extension(format_)))));
    // A crash in between delivers the same rows once more, in place of themselves.
    return env_.files().write_atomically(position_path(), std::to_string(epoch) + "\n");
  }

  Result<uint64_t> snapshot_epoch() override {
    MR_ASSIGN(bool exists, env_.files().exists(position_path()));
    MR_ASSIGN(bool delivered, env_.files().exists(join_path(directory_, name_ + std::string(extension(format_)))));
    if (!exists || !delivered) return uint64_t{0};
    MR_ASSIGN(std::string text, env_.files().read_all(position_path()));
    uint64_t epoch = 0;
    std::from_chars(text.data(), text.data() + text.size(), epoch);
    return epoch;
  }

  void set_schema(const batch::Schema& schema) { schema_types_ = schema; }

 private:
  std::string position_path() const { return join_path(directory_, "." + name_ + ".position"); }

  /// "<name>-<first>-<last>.<ext>" → last.
  std::optional<int64_t> last_offset(std::string_view file) const {
    std::string_view rest = file;
    size_t digits = 20;
    if (rest.size() != name_.size() + 2 * (digits + 1) + extension(format_).size() || !rest.starts_with(name_) || !rest.ends_with(extension(format_))) return std::nullopt;
    std::string_view number = rest.substr(name_.size() + digits + 2, digits);
    int64_t last = 0;
    auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), last);
    if (failed != std::errc() || end != number.data() + number.size()) return std::nullopt;
    return last;
  }

  Status start_over() {
    SinkSetup setup;
    setup.env = &env_;
    setup.schema = schema_types_;
    MR_ASSIGN(contents_, Contents::create(format_, setup));
    return {};
  }

  Env& env_;
  Format format_;
  std::string directory_;
  std::string name_;  // files are called after it
  Contents contents_;
  batch::Schema schema_types_;
  uint64_t roll_bytes_;
  Duration roll_age_;
  int64_t first_ = 0;  // offset of the first row in contents_
  int64_t next_ = 0;
  Timestamp oldest_;
};

Result<Format> format_of(const SinkSetup& setup, std::string_view path) {
  const std::string& format = setup.options.text("format");
  if (format == "parquet" || (format.empty() && path.ends_with(".parquet"))) return Format::kParquet;
  if (format == "csv" || (format.empty() && path.ends_with(".csv"))) return Format::kCsv;
  if (format.empty() || format == "json" || format == "ndjson") return Format::kNdjson;
  return user_error(sqlstate::kNotSupported, "sink " + setup.name + ": files are written as parquet, ndjson or csv, not as " + format);
}

}  // namespace

Result<std::unique_ptr<Sink>> make_sink(const SinkSetup& setup) {
  if (setup.mode == SinkMode::kUpsert) {
    return user_error(sqlstate::kNotSupported, "sink " + setup.name + ": files cannot be updated row by row")
        .with_hint("use mode = 'snapshot' for the whole view, or mode = 'changes' for every change");
  }
  std::string path = join_path(setup.base_directory, setup.options.text("path"));
  MR_ASSIGN(Format format, format_of(setup, path));
  std::string name = setup.source.empty() ? setup.name : setup.source;
  std::string directory = path;
  if (path.ends_with(extension(format))) {
    directory = parent_path(path);
    name = std::string(file_name(path));
    name.resize(name.size() - extension(format).size());
  }
  MR_ASSIGN(Contents contents, Contents::create(format, setup));
  auto sink = std::make_unique<FileSink>(setup, format, std::move(directory), std::move(name), std::move(contents));
  sink->set_schema(setup.schema);
  return std::unique_ptr<Sink>(std::move(sink));
}

}  // namespace millrace::connectors::file
