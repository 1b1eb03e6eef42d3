#include "app/stream_commands.h"

#include <functional>
#include <memory>

#include "app/command_line.h"
#include "app/console.h"
#include "app/executor.h"
#include "app/producer.h"
#include "base/paths.h"
#include "base/text.h"
#include "connectors/playback/generator.h"
#include "formats/compression.h"
#include "formats/infer.h"
#include "sql/lexer.h"

namespace millrace::app {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kSampleBytes = 4 << 20;

/// The file, or standard input, piece by piece.
template <typename Take>
Status read_pieces(Env& env, const std::string& path, Take take) {
  std::string piece(kReadBytes, '\0');
  std::unique_ptr<RandomAccessFile> file;
  if (!path.empty() && path != "-") {
    MR_ASSIGN(file, env.files().open_read(path));
  }
  for (uint64_t at = 0;;) {
    size_t count = 0;
    if (file) {
      MR_ASSIGN(count, file->read_at(at, piece.data(), piece.size()));
    } else {
      MR_ASSIGN(count, read_input(piece.data(), piece.size()));
    }
    if (count == 0) return {};
    at += count;
    MR_TRY(take(std::string_view(piece.data(), count)));
  }
}

/// The first bytes of what a file holds, unpacked.
Result<std::string> read_sample(Env& env, const std::string& path) {
  MR_ASSIGN(auto file, env.files().open_read(path));
  char magic[formats::kMagicBytes];
  MR_ASSIGN(size_t magic_size, file->read_at(0, magic, sizeof magic));
  uint64_t at = 0;
  auto unpacker = formats::make_unpacker(formats::packing_of({magic, magic_size}),
                                         [&](char* buffer, size_t length) -> Result<size_t> {
                                           MR_ASSIGN(size_t count, file->read_at(at, buffer, length));
                                           at += count;
                                           return count;
                                         });
  std::string sample(kSampleBytes, '\0');
  size_t size = 0;
  while (size < sample.size()) {
    MR_ASSIGN(size_t count, unpacker->read(sample.data() + size, sample.size() - size));
    if (count == 0) break;
    size += count;
  }
  sample.resize(size);
  if (sample.find('\0') == std::string::npos) return sample;
  return user_error(sqlstate::kInvalidText, "is neither JSON nor CSV, for it holds a zero byte: " + path);
}

int report_totals(const Producer& producer, Duration took) {
  const ProduceTotals& totals = producer.totals();
  double seconds = static_cast<double>(took.micros) / 1e6;
  double rate = static_cast<double>(totals.accepted) / (seconds > 0 ? seconds : 1e-6);
  write_message("accepted " + format_count(static_cast<int64_t>(totals.accepted)) + " of " +
                format_count(static_cast<int64_t>(totals.lines)) + " lines, " + format_bytes(totals.bytes) + ", " +
                format_count(static_cast<int64_t>(rate)) + " lines/s" +
                (totals.retries > 0 ? ", retried " + std::to_string(totals.retries) + " times" : std::string()));
  if (totals.rejected == 0) return kExitDone;
  write_message("rejected " + format_count(static_cast<int64_t>(totals.rejected)) +
                (totals.rejected == 1 ? " line:" : " lines:"));
  for (const std::string& reason : totals.reasons) write_message("  " + reason);
  return kExitFailed;
}

std::string stream_name_of(const std::string& path) {
  std::string_view name = file_name(path);
  name = name.substr(0, name.find('.'));
  std::string out;
  for (char c : to_lower_ascii(name)) {
    bool plain = (c >= 'a' && c <= 'z') || is_digit(c);
    out += plain ? c : '_';
  }
  if (out.empty() || is_digit(out.front())) out.insert(0, "events_");
  return out;
}

}  // namespace

int run_produce(Env& env, const ProduceFlags& flags) {
  auto remote = Remote::open(env, flags.remote);
  if (!remote.ok()) return report_failure(remote.error());
  ProducerOptions options;
  options.validate = flags.validate;
  Producer producer(env, **remote, flags.stream, options);
  Duration begin = env.clock().monotonic();
  Status done = read_pieces(env, flags.file, [&](std::string_view bytes) { return producer.take(bytes); });
  if (done.ok()) done = producer.finish();
  if (!done.ok() && producer.totals().lines == 0) return report_failure(done.error());
  int totals = report_totals(producer, Duration{env.clock().monotonic().micros - begin.micros});
  return done.ok() ? totals : report_failure(done.error());
}

int run_tail(Env& env, const TailFlags& flags) {
  auto format = parse_format(flags.format);
  if (!format.ok()) return report_usage(format.error().message, format.error().hint);
  auto remote = Remote::open(env, flags.remote);
  if (!remote.ok()) return report_failure(remote.error());
  std::unique_ptr<Executor> executor = make_remote_executor(std::move(remote).value());
  std::string statement = "SUBSCRIBE TO " + sql::quote_name(flags.name);
  if (iequals(flags.from, "beginning")) {
    statement += " FROM BEGINNING";
  } else if (!iequals(flags.from, "now")) {
    statement += " FROM POSITION " + quote_literal(flags.from);
  }
  Status done = run_and_print(*executor, statement, *format, 0);
  return done.ok() ? kExitDone : report_failure(done.error(), statement);
}

namespace {

/// Where a generator's events go: to a stream of a node, else to standard output, unless it writes files itself.
class EventsOutput {
 public:
  explicit EventsOutput(Env& env) : env_(env), begin_(env.clock().monotonic()) {}

  Status open(const RemoteFlags& remote, const std::string& stream) {
    if (remote.url.empty()) return {};
    MR_ASSIGN(remote_, Remote::open(env_, remote));
    producer_ = std::make_unique<Producer>(env_, *remote_, stream, ProducerOptions());
    return {};
  }
  std::function<Status(std::string_view)> sink(bool writes_files) {
    if (producer_) return [this](std::string_view chunk) { return producer_->take(chunk); };
    if (writes_files) return {};
    return [](std::string_view chunk) { return write_output(chunk); };
  }
  /// Sends what is left, and says what was done.
  int end(const std::string& generated) {
    if (producer_) {
      if (Status sent = producer_->finish(); !sent.ok()) return report_failure(sent.error());
    }
    write_message("generated " + generated);
    return producer_ ? report_totals(*producer_, Duration{env_.clock().monotonic().micros - begin_.micros}) : kExitDone;
  }

 private:
  Env& env_;
  Duration begin_;
  std::unique_ptr<Remote> remote_;
  std::unique_ptr<Producer> producer_;
};

}  // namespace

int run_generate_playback(Env& env, const GenerateFlags& flags) {
  EventsOutput output(env);
  if (Status opened = output.open(flags.remote, flags.stream); !opened.ok()) return report_failure(opened.error());
  connectors::GeneratePlayback command = flags.playback;
  command.events_sink = output.sink(!command.out_dir.empty());
  auto manifest = connectors::generate_playback(env, std::move(command));
  if (!manifest.ok()) return report_failure(manifest.error());
  return output.end(format_count(static_cast<int64_t>(manifest->lines)) + " lines, " + format_bytes(manifest->bytes) +
                    ", " + format_count(static_cast<int64_t>(manifest->sessions)) + " sessions; sha256 " +
                    manifest->sha256_events);
}

int run_generate_nexmark(Env& env, const GenerateNexmarkFlags& flags) {
  EventsOutput output(env);
  if (Status opened = output.open(flags.remote, flags.stream); !opened.ok()) return report_failure(opened.error());
  connectors::GenerateNexmark command = flags.nexmark;
  command.events_sink = output.sink(!command.out_path.empty());
  auto lines = connectors::generate_nexmark(env, std::move(command));
  if (!lines.ok()) return report_failure(lines.error());
  return output.end(format_count(static_cast<int64_t>(*lines)) + " lines");
}

int run_infer(Env& env, const InferFlags& flags) {
  auto sample = read_sample(env, flags.file);
  if (!sample.ok()) return report_failure(sample.error());
  formats::InferOptions options;
  options.stream = flags.name.empty() ? stream_name_of(flags.file) : flags.name;
  options.format = flags.format;
  options.load_path = flags.file;
  options.quote_name = sql::quote_name;
  options.whole = sample->size() < kSampleBytes;
  auto text = formats::infer_stream(*sample, options);
  if (!text.ok()) return report_failure(Error(text.error()).within(flags.file));
  Status written = write_output(*text);
  return written.ok() ? kExitDone : report_failure(written.error());
}

}  // namespace millrace::app
