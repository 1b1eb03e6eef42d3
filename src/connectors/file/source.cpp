#include "connectors/file/source.h"

#include <algorithm>

#include "base/paths.h"
#include "base/text.h"
#include "connectors/file/input.h"
#include "formats/csv_decoder.h"

namespace millrace::connectors::file {
namespace {

enum class Shape : uint8_t { kLines, kJsonArray, kCsv };

/// End of the JSON value that starts at `at`, one behind its last byte; npos when the text breaks off. Only brackets and
/// strings are looked at: whether it is valid JSON is the decoder's business.
size_t json_value_end(std::string_view text, size_t at) {
  int depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (depth == 0 && (c == ',' || c == ']')) return at;
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return std::string_view::npos;
}

class FileSource final : public RecordSource {
 public:
  FileSource(SourceSetup setup, std::unique_ptr<Input> input, Shape shape)
      : setup_(std::move(setup)), input_(std::move(input)), shape_(shape), splitter_(delimiter(setup_)) {}

  uint64_t total_bytes() const override { return input_->file_bytes(); }

  Result<RecordChunk> read(size_t bytes_wanted) override {
    // What the last chunk gave is done with.
    buffer_.erase(0, at_);
    start_ += at_;
    at_ = 0;
    RecordChunk chunk;
    chunk.first_position = start_;
    reordered_.clear();
    while (at_ < bytes_wanted) {
      MR_ASSIGN(bool more, next_record(chunk));
      if (!more) break;
    }
    chunk.end = ended_ && at_ == buffer_.size();
    // Only now: the buffer may have moved while the chunk grew.
    for (const Place& place : places_) {
      std::string_view record = std::string_view(buffer_).substr(place.begin, place.length);
      if (shape_ == Shape::kCsv && !order_.empty()) record = reorder(record);
      chunk.records.push_back(record);
    }
    places_.clear();
    return chunk;
  }

  /// Reads past a byte order mark, the opening bracket or the CSV header.
  Status start() {
    MR_TRY(fill());
    if (buffer_.starts_with("\xef\xbb\xbf")) at_ = 3;
    if (shape_ == Shape::kLines) {
      size_t first = buffer_.find_first_not_of(" \t\r\n", at_);
      if (first != std::string::npos && buffer_[first] == '[') shape_ = Shape::kJsonArray;
    }
    if (shape_ == Shape::kJsonArray) at_ = buffer_.find('[', at_) + 1;
    bool header = setup_.options.has("header") ? setup_.options.boolean("header") : true;
    if (shape_ == Shape::kCsv && header) return read_header();
    return {};
  }

 private:
  struct Place {
    size_t begin;
    size_t length;
  };

  static char delimiter(const SourceSetup& setup) {
    bool given = setup.options.has("delimiter") && !setup.options.text("delimiter").empty();
    return given ? setup.options.text("delimiter")[0] : ',';
  }

  Status fill() {
    if (ended_) return {};
    MR_ASSIGN(bool more, input_->read(buffer_));
    ended_ = !more;
    return {};
  }

  /// End of the line that starts at `at_` (its newline, or the end of the input); npos when more bytes are needed.
  size_t line_end() const {
    size_t at = at_;
    bool quoted = false;
    while (true) {
      size_t newline = buffer_.find('\n', at);
      size_t stop = std::min(newline, buffer_.size());
      if (shape_ == Shape::kCsv) quoted ^= std::count(buffer_.begin() + static_cast<int64_t>(at), buffer_.begin() + static_cast<int64_t>(stop), '"') % 2 != 0;
      if (newline == std::string::npos) return ended_ ? buffer_.size() : std::string::npos;
      if (!quoted) return newline;
      at = newline + 1;
    }
  }

  Result<bool> next_line(RecordChunk& chunk) {
    size_t end = line_end();
    while (end == std::string::npos) {
      MR_TRY(fill());
      end = line_end();
    }
    if (at_ >= buffer_.size()) return false;
    size_t length = end - at_;
    if (length > 0 && buffer_[at_ + length - 1] == '\r') --length;
    keep(at_, length, chunk);
    at_ = std::min(end + 1, buffer_.size());
    return true;
  }

  Result<bool> next_element(RecordChunk& chunk) {
    while (true) {
      size_t first = buffer_.find_first_not_of(" \t\r\n,", at_);
      if (first != std::string::npos && buffer_[first] == ']') {
        at_ = buffer_.size();
        while (!ended_) MR_TRY(fill());
        at_ = buffer_.size();
        return false;
      }
      size_t end = first == std::string::npos ? std::string::npos : json_value_end(buffer_, first);
      if (end != std::string::npos) {
        size_t length = end - first;
        while (length > 0 && is_space(buffer_[first + length - 1])) --length;
        keep(first, length, chunk);
        at_ = end;
        return true;
      }
      if (ended_) {
        if (first == std::string::npos) return false;
        return user_error(sqlstate::kInvalidText, "the JSON array in " + setup_.path + " does not end");
      }
      MR_TRY(fill());
    }
  }

  Result<bool> next_record(RecordChunk& chunk) { return shape_ == Shape::kJsonArray ? next_element(chunk) : next_line(chunk); }

  void keep(size_t begin, size_t length, RecordChunk& chunk) {
    if (length == 0) return;
    if (length > setup_.record_bytes_max) {
      ++chunk.skipped;
      return;
    }
    places_.push_back({begin, length});
  }

  Status read_header() {
    RecordChunk ignored;
    MR_ASSIGN(bool found, next_line(ignored));
    if (!found || places_.empty()) return {};
    std::string line = buffer_.substr(places_[0].begin, places_[0].length);
    places_.clear();
    std::vector<formats::CsvField> fields;
    std::string reason;
    if (!splitter_.split(line, fields, reason)) return user_error(sqlstate::kInvalidText, "the header of " + setup_.path + ": " + reason);
    fields_in_file_ = fields.size();
    bool any = false;
    for (const std::string& column : setup_.columns) {
      auto at = std::find_if(fields.begin(), fields.end(), [&](const formats::CsvField& field) { return iequals(trim(field.text), column); });
      order_.push_back(at == fields.end() ? -1 : static_cast<int>(at - fields.begin()));
      any |= at != fields.end();
    }
    if (any || setup_.columns.empty()) return {};
    return user_error(sqlstate::kInvalidText, "the header of " + setup_.path + " names none of the columns: " + shorten(line, 120))
        .with_hint("for a file without a header line write WITH (header = false)");
  }

  /// The record with its fields in the stream's order. One that does not split stays as it is: the decoder says why.
  std::string_view reorder(std::string_view record) {
    std::vector<formats::CsvField> fields;
    std::string reason;
    if (!splitter_.split(record, fields, reason) || fields.size() != fields_in_file_) return record;
    std::string out;
    for (size_t i = 0; i < order_.size(); ++i) {
      if (i > 0) out.push_back(delimiter(setup_));
      if (order_[i] < 0) continue;
      const formats::CsvField& field = fields[static_cast<size_t>(order_[i])];
      if (!field.quoted) {
        out.append(field.text);
        continue;
      }
      out.push_back('"');
      for (char c : field.text) out.append(c == '"' ? 2 : 1, c);
      out.push_back('"');
    }
    reordered_.push_back(std::make_unique<std::string>(std::move(out)));
    return *reordered_.back();
  }

  SourceSetup setup_;
  std::unique_ptr<Input> input_;
  Shape shape_;
  formats::CsvSplitter splitter_;
  std::string buffer_;      // from start_ on
  uint64_t start_ = 0;      // position of the buffer in the decompressed input
  size_t at_ = 0;           // in buffer_: behind the last record taken
  bool ended_ = false;      // the buffer holds all the rest
  std::vector<Place> places_;
  std::vector<int> order_;  // CSV: by column of the stream, the field of the file
  size_t fields_in_file_ = 0;
  std::vector<std::unique_ptr<std::string>> reordered_;  // stable while the chunk lives
};

Shape shape_of(const SourceSetup& setup) {
  std::string path = to_lower_ascii(setup.path);
  for (const char* suffix : {".gz", ".zst"}) {
    if (path.ends_with(suffix)) path.resize(path.size() - std::string_view(suffix).size());
  }
  bool csv = setup.format == "csv" || (setup.format.empty() && path.ends_with(".csv"));
  return csv ? Shape::kCsv : Shape::kLines;
}

}  // namespace

Result<std::unique_ptr<RecordSource>> open_source(const SourceSetup& setup) {
  SourceSetup resolved = setup;
  resolved.path = join_path(setup.base_directory, setup.path);
  MR_ASSIGN(std::unique_ptr<Input> input, open_input(*setup.env, resolved.path));
  Shape shape = shape_of(setup);
  auto source = std::make_unique<FileSource>(std::move(resolved), std::move(input), shape);
  MR_TRY(source->start());
  return std::unique_ptr<RecordSource>(std::move(source));
}

}  // namespace millrace::connectors::file
