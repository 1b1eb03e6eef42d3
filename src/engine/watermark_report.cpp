#include "engine/watermark_report.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "engine/text_answer.h"

namespace millrace::engine {
namespace {

constexpr Timestamp kNone{std::numeric_limits<int64_t>::min()};

std::string text_of(Timestamp time) {
  if (time.micros <= INT64_MIN / 2) return "";
  return time.micros >= INT64_MAX / 8 ? "end of time" : format_iso8601(time);
}

/// As users know it: the raw rows of a table are the table.
std::string shown_name(const std::string& source) {
  return source.ends_with("$raw") ? source.substr(0, source.size() - 4) : source;
}

class Report {
 public:
  explicit Report(Pipeline& pipeline) : pipeline_(pipeline) {}

  StatementResult run() {
    for (const RunningSource& source : pipeline_.sources()) add_source(source);
    for (const auto& view : pipeline_.views()) {
      if (!view->is_table && !view->temporary) add_view(*view);
    }
    return text_table({"name", "partition", "watermark", "last_append", "idle", "held_back_by"}, rows_);
  }

 private:
  Timestamp watermark_of(const std::string& source) const {
    const auto found = pipeline_.watermarks().find(source);
    return found == pipeline_.watermarks().end() ? kNone : found->second;
  }

  /// The partitions whose watermark is the stream's: those that are not idle and have the smallest, or none yet.
  std::string slowest_partitions(const RunningSource& source) const {
    std::string slowest;
    Timestamp smallest{std::numeric_limits<int64_t>::max()};
    for (size_t p = 0; p < source.progress.size(); ++p) {
      if (pipeline_.is_idle(source, p)) continue;
      const Timestamp own = source.progress[p].watermark.value_or(kNone);
      if (own < smallest) slowest.clear();
      if (own > smallest) continue;
      smallest = own;
      slowest += (slowest.empty() ? "partition " : ", ") + std::to_string(p);
    }
    return slowest.empty() ? "nothing: all are idle, it moves with the clock" : slowest;
  }

  void add_source(const RunningSource& source) {
    const std::string name = shown_name(source.source.name);
    const bool can_differ = source.progress.size() > 1 || pipeline_.is_idle(source, 0);
    const std::string held_by = can_differ ? slowest_partitions(source) : "";
    rows_.push_back({name, "", text_of(watermark_of(source.source.name)), "", "", held_by});
    for (size_t p = 0; p < source.progress.size(); ++p) {
      const auto last = source.source.stream->partition(PartitionId(static_cast<int32_t>(p))).last_append_time();
      rows_.push_back({name, std::to_string(p), text_of(source.progress[p].watermark.value_or(kNone)),
                       last ? format_iso8601(*last) : "", pipeline_.is_idle(source, p) ? "yes" : "no", ""});
    }
  }

  void add_view(const PipelineView& view) {
    Timestamp smallest{std::numeric_limits<int64_t>::max()};
    std::string held_by;
    for (const std::string& stream : pipeline_.watermarked_by(view.name)) {
      const Timestamp own = watermark_of(stream);
      if (own < smallest) held_by.clear();
      if (own > smallest) continue;
      smallest = own;
      held_by += (held_by.empty() ? "" : "; ") + shown_name(stream);
      const auto source = std::find_if(pipeline_.sources().begin(), pipeline_.sources().end(),
                                       [&](const RunningSource& running) { return running.source.name == stream; });
      const bool can_differ = source != pipeline_.sources().end() &&
                              (source->progress.size() > 1 || pipeline_.is_idle(*source, 0));
      if (can_differ)
        held_by += ", " + slowest_partitions(*source);
    }
    if (held_by.empty()) return;  // it reads constants alone
    rows_.push_back({view.name, "", text_of(smallest), "", "", held_by});
  }

  Pipeline& pipeline_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace

StatementResult show_watermarks(NodeState& node) {
  std::lock_guard steps(node.step_mutex);
  return Report(*node.pipeline).run();
}

}  // namespace millrace::engine
