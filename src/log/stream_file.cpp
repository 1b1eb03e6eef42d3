#include "log/stream_file.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/sealed_text.h"

namespace millrace::log {

namespace {

constexpr std::string_view kVersion = "1";
constexpr std::string_view kVersionCompacted = "2";
constexpr std::string_view kNone = "none";

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_plain(c)) {
      out.push_back(c);
    } else {
      out.append(fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c))));
    }
  }
  return out;
}

template <typename Integer>
std::optional<Integer> parse_number(std::string_view text, int base = 10) {
  Integer value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    auto byte = parse_number<unsigned>(text.substr(i + 1, 2), 16);
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
    i += 2;
  }
  return out;
}

Error damaged(std::string_view what) {
  return external_error(sqlstate::kDataCorrupted, fmt::format("stream file is damaged: {}", what));
}

/// Takes the lines off the front of a text, each `name value`.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  Result<std::string_view> text(std::string_view name) {
    size_t end = text_.find('\n');
    std::string_view line = text_.substr(0, end);
    if (end == std::string_view::npos || !line.starts_with(name) || line.size() <= name.size() ||
        line[name.size()] != ' ') {
      return damaged(name);
    }
    text_.remove_prefix(end + 1);
    return line.substr(name.size() + 1);
  }

  template <typename Integer>
  Result<Integer> number(std::string_view name) {
    MR_ASSIGN(std::string_view value, text(name));
    auto parsed = parse_number<Integer>(value);
    if (!parsed) return damaged(name);
    return *parsed;
  }

  template <typename Integer>
  Result<std::optional<Integer>> optional_number(std::string_view name) {
    if (text_.starts_with(fmt::format("{} {}\n", name, kNone))) {
      MR_TRY(skip(name));
      return std::optional<Integer>();
    }
    MR_ASSIGN(Integer value, number<Integer>(name));
    return std::optional<Integer>(value);
  }

 private:
  Status skip(std::string_view name) {
    MR_ASSIGN([[maybe_unused]] std::string_view value, text(name));
    return {};
  }

  std::string_view text_;
};

}  // namespace

std::string encode_stream_file(const StreamDescription& stream) {
  const StreamOptions& options = stream.options;
  std::string out =
      fmt::format("millrace-stream {}\nid {}\nname {}\npartitions {}\nsegment_bytes {}\nsegment_age_us {}\n",
                  options.compaction ? kVersionCompacted : kVersion, stream.id.value, percent_encode(stream.name),
                  options.partitions, options.segment_bytes, options.segment_age.micros);
  out += options.retention_bytes ? fmt::format("retention_bytes {}\n", *options.retention_bytes)
                                 : "retention_bytes none\n";
  out += options.retention ? fmt::format("retention_us {}\n", options.retention->micros) : "retention_us none\n";
  out += fmt::format("idempotency_window {}\n", options.idempotency_window);
  if (options.compaction) {
    out += fmt::format("compaction_lag_us {}\ntombstone_us {}\n", options.compaction->lag.micros,
                       options.compaction->tombstone_age.micros);
  }
  return seal_text(std::move(out));
}

Result<StreamDescription> decode_stream_file(std::string_view text) {
  const Result<std::string_view> sealed = open_sealed(text);  // before anything is believed, the version included
  if (!sealed.ok()) return damaged(sealed.error().message);
  Lines lines(*sealed);
  MR_ASSIGN(std::string_view version, lines.text("millrace-stream"));
  if (version != kVersion && version != kVersionCompacted) {
    return user_error(sqlstate::kNotSupported,
                      fmt::format("stream file is of a version that this program does not know: {}", version))
        .with_hint("Open the data directory with the version of the program that wrote it, or a newer one.");
  }
  StreamDescription stream;
  MR_ASSIGN(stream.id.value, lines.number<uint32_t>("id"));
  MR_ASSIGN(std::string_view name, lines.text("name"));
  std::optional<std::string> decoded = percent_decode(name);
  if (!decoded) return damaged("name");
  stream.name = *std::move(decoded);
  MR_ASSIGN(stream.options.partitions, lines.number<int32_t>("partitions"));
  MR_ASSIGN(stream.options.segment_bytes, lines.number<uint64_t>("segment_bytes"));
  MR_ASSIGN(stream.options.segment_age.micros, lines.number<int64_t>("segment_age_us"));
  MR_ASSIGN(stream.options.retention_bytes, lines.optional_number<uint64_t>("retention_bytes"));
  MR_ASSIGN(std::optional<int64_t> retention, lines.optional_number<int64_t>("retention_us"));
  if (retention) stream.options.retention = Duration{*retention};
  MR_ASSIGN(stream.options.idempotency_window, lines.number<uint32_t>("idempotency_window"));
  if (version == kVersionCompacted) {
    stream.options.compaction.emplace();
    MR_ASSIGN(stream.options.compaction->lag.micros, lines.number<int64_t>("compaction_lag_us"));
    MR_ASSIGN(stream.options.compaction->tombstone_age.micros, lines.number<int64_t>("tombstone_us"));
  }
  if (stream.options.partitions < 1) return damaged("partitions");
  return stream;
}

}  // namespace millrace::log
