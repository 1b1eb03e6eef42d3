// JSON objects into vectors: simdjson finds the tokens of many records at once, then each record is walked by a plan
// made from the schema. Strings are not copied again: they stay in the buffer that the tokens were found in.
#include "formats/json_decoder.h"

#include <cstring>

#include "formats/json_store.h"
#include "formats/json_structure.h"
#include "formats/json_walk.h"

namespace millrace::formats {
namespace {

// Tokens are found in this many bytes at once, or in one record when it is longer: text and tokens stay in the CPU's
// cache.
constexpr size_t kGroupBytes = 64 * 1024;

/// The records of one call, a line end behind each, which the decoded batch keeps alive.
struct Buffer {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
};

class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(const batch::Schema& schema, std::vector<uint32_t> defaulted)
      : columns_count_(schema.size()), defaulted_(std::move(defaulted)), store_(schema) {}

  Status decode(std::span<const std::string_view> records, batch::Batch& out, std::vector<uint32_t>& decoded,
                std::vector<DecodeError>& errors) override {
    columns_.clear();
    missing_.clear();
    for (size_t i = 0; i < columns_count_; ++i) columns_.push_back(out.mutable_column(i));
    std::shared_ptr<Buffer> buffer = buffer_for(records);
    Output output{decoded, errors, out.rows()};
    char* at = buffer->bytes.get();
    for (size_t first = 0; first < records.size();) {
      size_t count = 1;
      size_t bytes = records[first].size() + 1;
      while (first + count < records.size() && bytes + records[first + count].size() < kGroupBytes) {
        bytes += records[first + count++].size() + 1;
      }
      decode_group(records.subspan(first, count), static_cast<uint32_t>(first), at, output);
      first += count;
      at += bytes;
    }
    out.set_rows(output.row);
    out.retain(std::move(buffer));
    return {};
  }

 private:
  struct Output {
    std::vector<uint32_t>& decoded;
    std::vector<DecodeError>& errors;
    size_t row;  // the next one
  };

  std::shared_ptr<Buffer> buffer_for(std::span<const std::string_view> records) {
    size_t bytes = kJsonPadding;
    for (std::string_view record : records) bytes += record.size() + 1;
    // One buffer is kept; when no batch holds it any more it is used again.
    if (kept_ && kept_.use_count() == 1 && kept_->capacity >= bytes) return kept_;
    kept_ = std::make_shared<Buffer>();
    kept_->capacity = bytes + bytes / 4;
    kept_->bytes.reset(new char[kept_->capacity]);
    return kept_;
  }

  void decode_group(std::span<const std::string_view> records, uint32_t first, char* bytes, Output& output) {
    char* end = bytes;
    for (std::string_view record : records) {
      if (!record.empty()) std::memcpy(end, record.data(), record.size());
      end += record.size();
      *end++ = '\n';
    }
    std::string_view text(bytes, static_cast<size_t>(end - bytes));
    // A line end in a string is an error, so when there is none, each record ends outside of strings as it began.
    bool together = structure_.find(text);
    walk_.forget_escapes(text);
    const uint32_t* token = structure_.tokens();
    size_t begin = 0;
    for (uint32_t i = 0; i < records.size(); ++i) {
      std::string_view record = text.substr(begin, records[i].size());
      std::string reason;
      bool good = false;
      if (together) {
        walk_.start(bytes, begin, begin + record.size(), token);
        good = store_.store_record(walk_, record, columns_, output.row, reason);
        token = walk_.token();
        if (!good) token = first_token_from(begin + record.size(), token);
      } else {
        good = decode_alone(record, output.row, reason);
      }
      begin += record.size() + 1;
      if (good) {
        output.decoded.push_back(first + i);
        for (uint32_t column : defaulted_) {
          if (store_.was_missing(column)) missing_.push_back({column, output.row});
        }
        ++output.row;
      } else {
        output.errors.push_back({first + i, std::move(reason)});
      }
    }
  }

  /// For a record whose neighbour spoils the search for tokens, or which spoils it itself.
  bool decode_alone(std::string_view record, size_t row, std::string& reason) {
    if (!structure_.find(record)) {
      reason = "not valid JSON: " + std::string(structure_.error());
      return false;
    }
    walk_.forget_escapes(record);
    walk_.start(record.data(), 0, record.size(), structure_.tokens());
    return store_.store_record(walk_, record, columns_, row, reason);
  }

  static const uint32_t* first_token_from(size_t offset, const uint32_t* token) {
    while (*token < offset) ++token;
    return token;
  }

  size_t columns_count_;
  std::vector<uint32_t> defaulted_;
  JsonStore store_;
  JsonStructure structure_;
  JsonWalk walk_;
  std::shared_ptr<Buffer> kept_;  // shared with the batches that were decoded from it
  std::vector<batch::MutableColumn> columns_;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const batch::Schema& schema, const DecoderOptions& options) {
  return std::make_unique<JsonDecoder>(schema, options.defaulted);
}

}  // namespace millrace::formats
