#include "connectors/generate.h"

#include <array>
#include <memory>
#include <utility>

#include "base/text.h"
#include "connectors/nexmark/source.h"

namespace millrace::connectors {
namespace {

using playback::Part;

constexpr std::array<const char*, 6> kFileNames = {"catalogue.ndjson", "events.ndjson",  "truth.csv",
                                                   "truth_week.csv",   "truth_asof.csv", "manifest.json"};

/// Writes the parts to files of a folder; the events as they come, everything else at once.
class FolderOutput {
 public:
  FolderOutput(Env& env, std::string folder) : env_(env), folder_(std::move(folder)) {}

  Status write(Part part, std::string_view bytes) {
    const std::string path = folder_ + "/" + kFileNames[static_cast<size_t>(part)];
    if (part != Part::kEvents) {
      MR_TRY(close_events());
      return env_.files().write_atomically(path, bytes);
    }
    if (events_ == nullptr) {
      MR_ASSIGN(events_, env_.files().create(path));
    }
    return events_->append(bytes);
  }

 private:
  Status close_events() {
    if (events_ == nullptr) return {};
    return std::exchange(events_, nullptr)->close();
  }

  Env& env_;
  std::string folder_;
  std::unique_ptr<WritableFile> events_;
};

constexpr size_t kChunkBytes = 1 << 20;

}  // namespace

Result<uint64_t> generate_nexmark(Env& env, GenerateNexmark command) {
  if (!command.base_time.empty()) {
    MR_ASSIGN(command.options.base_time, parse_iso8601(command.base_time));
  }
  MR_ASSIGN(nexmark::Form form, nexmark::parse_form(command.type));
  MR_ASSIGN(nexmark::Generator generator, nexmark::Generator::create(command.options));
  std::unique_ptr<WritableFile> file;
  if (!command.events_sink) {
    MR_ASSIGN(file, env.files().create(command.out_path));
  }
  nexmark::Lines lines(std::move(generator), form, command.events);
  std::string text;
  while (true) {
    lines.next(kChunkBytes, text);
    if (text.empty()) break;
    MR_TRY(file ? file->append(text) : command.events_sink(text));
  }
  if (file) MR_TRY(file->close());
  return lines.lines();
}

Result<playback::Manifest> generate_playback(Env& env, GeneratePlayback command) {
  if (command.out_dir.empty() && !command.events_sink)
    return user_error(sqlstate::kInvalidParameter, "generate playback: the events have nowhere to go")
        .with_hint("name an output folder with --out, or a server with --url");
  MR_ASSIGN(command.options.titles_csv, env.files().read_all(command.titles_path));
  if (!command.out_dir.empty()) MR_TRY(env.files().create_directories(command.out_dir));
  FolderOutput folder(env, command.out_dir);
  return playback::generate(std::move(command.options), [&](Part part, std::string_view bytes) -> Status {
    if (part == Part::kEvents && command.events_sink) return command.events_sink(bytes);
    if (command.out_dir.empty()) return {};
    return folder.write(part, bytes);
  });
}

}  // namespace millrace::connectors
