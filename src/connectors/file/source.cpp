#include "connectors/file/source.h"

#include <deque>
#include <optional>
#include <utility>

#include "base/paths.h"
#include "base/text.h"
#include "connectors/file/csv_columns.h"
#include "connectors/file/options.h"
#include "formats/compression.h"
#include "formats/record_splitter.h"

namespace millrace::connectors::file {
namespace {

using formats::Packing;
using formats::RecordShape;
using formats::Split;
using formats::SplitState;

constexpr size_t kBlockBytes = 1 << 20;

struct SourceFormat {
  RecordShape shape = RecordShape::kLines;
  bool csv = false;
  bool header = false;
  char delimiter = ',';
  std::string null_text;
};

Result<SourceFormat> find_format(const SourceSetup& setup) {
  std::string name = setup.format.empty() ? format_of_path(setup.path) : setup.format;
  SourceFormat format;
  if (name == "csv") {
    format.csv = true;
    format.shape = RecordShape::kCsv;
    format.header = !setup.options.has("header") || setup.options.boolean("header");
    const std::string& delimiter = setup.options.text("delimiter");
    if (!delimiter.empty()) format.delimiter = delimiter[0];
    format.null_text = setup.options.text("null_text");
  } else if (name == "json" || name == "ndjson" || name.empty()) {
    format.shape = RecordShape::kLinesOrArray;
  } else if (name != "raw") {
    return user_error(sqlstate::kNotSupported, "the connector file does not read the format " + name)
        .with_hint("it reads json, csv and raw");
  }
  return format;
}

class FileSource final : public RecordSource {
 public:
  FileSource(const SourceSetup& setup, SourceFormat format, std::string path)
      : path_(std::move(path)),
        format_(std::move(format)),
        columns_(setup.columns),
        record_bytes_max_(setup.record_bytes_max),
        splitter_(format_.shape, format_.delimiter, setup.record_bytes_max) {}

  Status open(FileSystem& files, bool expect_json);
  Result<RecordChunk> read(size_t bytes_wanted) override;
  uint64_t total_bytes() const override { return total_bytes_; }

 private:
  Status check_name(std::string_view first_bytes) const;
  Status read_header();
  Result<Split> next();
  Status fill();
  void drop_used();
  std::string reason_of(const Split& too_long) const;
  Error named(Error error) const { return std::move(error).within(path_); }

  const std::string path_;
  const SourceFormat format_;
  const std::vector<std::string> columns_;
  const uint64_t record_bytes_max_;
  formats::RecordSplitter splitter_;
  std::unique_ptr<RandomAccessFile> file_;
  uint64_t packed_at_ = 0;
  std::unique_ptr<formats::Unpacker> unpacker_;
  std::optional<CsvColumns> reorder_;  // when the header differs from the columns
  uint64_t total_bytes_ = 0;

  std::string window_;                  // the unpacked input from window_start_ on
  uint64_t position_ = 0;               // of window_[0] in the unpacked input
  size_t at_ = 0;                       // what is before it is used
  bool last_ = false;                   // nothing comes behind the window
  std::string rebuilt_;                 // the records of a chunk, when their fields change places
  std::deque<std::string> beginnings_;  // of the chunk's records that are too long
};

Status FileSource::open(FileSystem& files, bool expect_json) {
  if (files.list(path_).ok()) {
    return user_error(sqlstate::kWrongObjectType, "is a folder, not a file: " + path_).with_hint("name one file in it");
  }
  MR_ASSIGN(file_, files.open_read(path_));
  char magic[formats::kMagicBytes];
  MR_ASSIGN(size_t magic_size, file_->read_at(0, magic, sizeof magic));
  Packing packing = formats::packing_of({magic, magic_size});
  if (packing == Packing::kNone) {
    MR_ASSIGN(total_bytes_, file_->size());
  }
  unpacker_ = formats::make_unpacker(packing, [this](char* buffer, size_t length) -> Result<size_t> {
    MR_ASSIGN(size_t count, file_->read_at(packed_at_, buffer, length));
    packed_at_ += count;
    return count;
  });
  if (expect_json) {
    MR_TRY(fill());
    MR_TRY(check_name(window_));
  }
  if (format_.header) return read_header();
  return {};
}

/// A file called .csv that is to be read as JSON, as the stream's default format says, is most likely CSV.
Status FileSource::check_name(std::string_view first_bytes) const {
  size_t at = first_bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (at < first_bytes.size() && is_space(first_bytes[at])) ++at;
  bool json = at == first_bytes.size() || first_bytes[at] == '{' || first_bytes[at] == '[';
  if (json || format_of_path(path_) != "csv") return {};
  return user_error(sqlstate::kInvalidText, "is CSV, but the stream's format is json: " + path_)
      .with_hint("add format = 'csv'");
}

Status FileSource::read_header() {
  MR_ASSIGN(Split header, next());
  if (header.state == SplitState::kTooLong)
    return named(user_error(sqlstate::kTooLarge, "the header is too long to be one"));
  if (header.state == SplitState::kEnd) return {};
  auto columns = CsvColumns::make(header.record, format_.delimiter, format_.null_text, columns_);
  if (!columns.ok()) return named(std::move(columns).error());
  if (!columns->same()) reorder_ = std::move(columns).value();
  return {};
}

/// Not for every chunk: small ones would move the rest of a block each time.
void FileSource::drop_used() {
  if (at_ < kBlockBytes && at_ < window_.size()) return;
  window_.erase(0, at_);
  position_ += at_;
  at_ = 0;
}

Status FileSource::fill() {
  size_t before = window_.size();
  window_.resize(before + kBlockBytes);
  auto count = unpacker_->read(window_.data() + before, kBlockBytes);
  if (!count.ok()) return named(std::move(count).error());
  window_.resize(before + *count);
  last_ = *count < kBlockBytes;
  return {};
}

/// The next record, as far as at_ moves behind it. Places in the window before at_ stay as they are.
Result<Split> FileSource::next() {
  const size_t begin = at_;
  while (true) {
    auto split = splitter_.next(std::string_view(window_).substr(at_), last_);
    if (!split.ok()) return named(std::move(split).error());
    at_ += split->used;
    if (split->state != SplitState::kNeedMore) return split;
    if (at_ > begin) {  // a record that is too long is not kept in memory
      window_.erase(begin, at_ - begin);
      position_ += at_ - begin;
      at_ = begin;
    }
    MR_TRY(fill());
  }
}

std::string FileSource::reason_of(const Split& too_long) const {
  return "the record has " + std::to_string(too_long.bytes) + " bytes; the limit is " +
         std::to_string(record_bytes_max_) + "; it begins at byte " + std::to_string(too_long.position) + " of " +
         (total_bytes_ == 0 ? "what is packed in " : "") + path_ + ", and this is the beginning of it";
}

Result<RecordChunk> FileSource::read(size_t bytes_wanted) {
  drop_used();
  rebuilt_.clear();
  beginnings_.clear();
  struct Range {
    size_t first;
    size_t size;
  };
  std::vector<Range> ranges;
  RecordChunk chunk;
  const uint64_t first_position = chunk.first_position = position_ + at_;
  while (position_ + at_ - first_position < bytes_wanted || ranges.empty()) {
    MR_ASSIGN(Split split, next());
    if (split.state == SplitState::kEnd) {
      chunk.end = true;
      break;
    }
    if (split.state == SplitState::kTooLong) {
      chunk.too_long[ranges.size()] = reason_of(split);
      beginnings_.emplace_back(split.record);
      ranges.push_back({0, 0});
    } else if (reorder_) {
      size_t first = rebuilt_.size();
      reorder_->append(split.record, rebuilt_);
      ranges.push_back({first, rebuilt_.size() - first});
    } else {
      ranges.push_back({static_cast<size_t>(split.record.data() - window_.data()), split.record.size()});
    }
  }
  const std::string& text = reorder_ ? rebuilt_ : window_;
  chunk.records.reserve(ranges.size());
  for (const Range& range : ranges) chunk.records.push_back(std::string_view(text).substr(range.first, range.size));
  auto beginning = beginnings_.begin();
  for (const auto& [index, reason] : chunk.too_long) chunk.records[index] = *beginning++;
  return chunk;
}

}  // namespace

Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup) {
  MR_ASSIGN(SourceFormat format, find_format(setup));
  bool expect_json = format.shape == RecordShape::kLinesOrArray;
  auto source = std::make_unique<FileSource>(setup, std::move(format), join_path(setup.base_directory, setup.path));
  MR_TRY(source->open(setup.env->files(), expect_json));
  return std::unique_ptr<RecordSource>(std::move(source));
}

}  // namespace millrace::connectors::file
