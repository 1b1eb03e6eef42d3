#include "app/run_notes.h"

#include "base/text.h"

namespace millrace::app {
namespace {

std::string count_of(uint64_t count, const char* what) {
  return format_count(static_cast<int64_t>(count)) + " " + what + (count == 1 ? "" : "s");
}

std::string show_hint(const engine::NodeStatus& status, const std::string& name) {
  return "`millrace dead show " + name + " --data " + status.data_directory + "`";
}

}  // namespace

std::vector<std::string> load_notes(const engine::NodeStatus& status) {
  std::vector<std::string> notes;
  for (const engine::LoadStatus& load : status.loads) {
    if (!load.failure.empty()) {
      notes.push_back("loading " + load.stream + " failed after " + count_of(load.records, "record") + ": " +
                      load.failure);
    } else if (load.done && load.too_long > 0) {
      notes.push_back(load.stream + ": of " + count_of(load.records, "record") + " in " + load.path + ", " +
                      format_count(static_cast<int64_t>(load.too_long)) +
                      " longer than the limit; each is a dead letter that says where it is");
    }
  }
  return notes;
}

std::vector<std::string> dead_notes(const engine::NodeStatus& status) {
  std::vector<std::string> notes;
  auto note = [&](const std::string& name, uint64_t dead) {
    if (dead == 0) return;
    notes.push_back(name + ": " + count_of(dead, "dead letter") + "; " + show_hint(status, name) + " shows why");
  };
  for (const engine::StreamStatus& stream : status.streams) note(stream.name, stream.dead);
  for (const engine::SinkStatus& sink : status.sinks) note(sink.name, sink.dead);
  return notes;
}

}  // namespace millrace::app
