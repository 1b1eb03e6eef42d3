// The judge of a run.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "simulation/scenario.h"

namespace millrace::simulation {

void Scenario::judge() {
  if (failed()) return;
  if (Status status = node_->sync(); !status.ok()) return note_error("sync", status.error());
  judge_names();
  if (std::string wrong = oracle_.take_input(*node_, producers_); !wrong.empty()) {
    if (!env_.files().down()) fail(wrong);
    return;
  }
  if (node_->status().epoch.value > 0) judge_views(*node_);  // before the first commit they hold nothing
  judge_extra_view();
  judge_books();
  judge_progress();
  judge_late_rows();
  trace_.note(fmt::format("judged {} events", oracle_.stored("events").size()));
}

/// Of names whose INSERT got no answer, the table tells which are there.
void Scenario::judge_names() {
  auto answer = node_->execute("SELECT k, name FROM names");
  if (!answer.ok()) return note_error("read names", answer.error());
  std::map<int64_t, std::string> names;
  for (const batch::Batch& batch : answer->batches) {
    for (size_t row = 0; row < batch.rows(); ++row)
      names[std::stoll(batch.value_text(0, row))] = batch.value_text(1, row);
  }
  for (auto& [k, candidates] : name_candidates_) {
    const auto found = names.find(k);
    const std::string name = found == names.end() ? "" : found->second;
    if (std::find(candidates.begin(), candidates.end(), name) == candidates.end()) {
      return fail(fmt::format("name of {} is '{}'", k, name));
    }
    candidates = {name};
  }
  oracle_.set_names(std::move(names));
}

void Scenario::judge_views(engine::Node& node) {
  for (const ViewCase* view : views_) {
    if (idle_ && view->name == "minutes") continue;  // what silence closed is not in the streams
    auto found = node.execute(fmt::format("SELECT * FROM {}", view->name));
    if (!found.ok()) return note_error("read a view", found.error());
    auto wanted = oracle_.run(std::string(view->oracle.empty() ? view->query : view->oracle));
    if (!wanted.ok()) return fail(fmt::format("the oracle's {}: {}", view->name, wanted.error().message));
    std::string wrong = difference(bag_of(found->batches), *wanted);
    if (!wrong.empty()) return fail(fmt::format("view {} differs from DuckDB:{}", view->name, wrong));
  }
}

void Scenario::judge_extra_view() {
  auto found = node_->execute("SELECT * FROM extra");
  if (!found.ok()) {
    if (found.error().code != sqlstate::kUndefinedTable) return note_error("read a view", found.error());
    if (extra_ == Extra::kPresent) fail("a view is gone");
    return;
  }
  if (extra_ == Extra::kAbsent) return fail("a view is there that was dropped");
  auto wanted = oracle_.run(extra_query_);
  if (!wanted.ok()) return fail("the oracle's extra view: " + wanted.error().message);
  std::string wrong = difference(bag_of(found->batches), *wanted);
  if (!wrong.empty()) fail(fmt::format("{} differs from DuckDB:{}", extra_query_, wrong));
}

/// Each row whose window is over is in the window's result or among the late rows; and no watermark is ahead of what
/// rows and silence tell.
void Scenario::judge_late_rows() {
  const std::string& watermark = watermarks_seen_["events"];
  if (watermark.empty()) return;
  const Timestamp true_now = SimulatedClock::kStart + env_.clock().monotonic();
  if (watermark > format_iso8601(true_now)) return fail("the watermark is ahead of time: " + watermark);
  if (std::none_of(views_.begin(), views_.end(), [](const ViewCase* view) { return view->name == "minutes"; })) return;
  auto found = node_->execute(
      "SELECT ((SELECT coalesce(sum(n), 0) FROM minutes) + (SELECT count(*) FROM minutes_late))::BIGINT");
  if (!found.ok()) return note_error("read a view", found.error());
  auto wanted = oracle_.run(fmt::format(fmt::runtime(kRowsOfClosedWindows), watermark));
  if (!wanted.ok()) return fail("the oracle's windows: " + wanted.error().message);
  std::string wrong = difference(bag_of(found->batches), *wanted);
  if (!wrong.empty()) fail("rows of windows that are over:" + wrong);
}

/// What a savepoint restores on another number of workers equals what it was taken from.
void Scenario::judge_savepoint(const std::string& path) {
  Destination nowhere;  // a copy must not deliver what the original does
  nowhere.down = true;
  const std::string directory = fmt::format("/restored{}", savepoints_);
  if (Status restored = engine::restore_savepoint(env_, path, directory); !restored.ok()) {
    return note_error("restore", restored.error());
  }
  Metrics metrics;
  engine::NodeOptions options = node_options(directory);
  options.workers = workers_ % 3 + 1;
  options.make_sink = [&](std::string_view, const connectors::SinkSetup& setup) {
    return Result<std::unique_ptr<connectors::Sink>>(nowhere.make_sink(setup));
  };
  auto opened = engine::Node::open(env_, metrics, options);
  if (!opened.ok()) return note_error("open what was restored", opened.error());
  if (Status status = (*opened)->sync(); !status.ok()) return note_error("sync what was restored", status.error());
  if ((*opened)->status().epoch.value > 0) judge_views(**opened);
  opened->reset();
  (void)env_.files().remove_recursively(directory);
  trace_.note("a savepoint was restored");
}

void Scenario::judge_books() {
  for (const auto& verdict : node_->ledger_report().open) {
    if (verdict.kind == ledger::VerdictKind::kInFlight) continue;
    fail(fmt::format("the books are open: {} -> {} lost {} repeated {} {}", verdict.from, verdict.to, verdict.lost,
                     verdict.repeated, verdict.detail));
  }
}

/// What was committed stays committed, and a watermark never goes back.
void Scenario::judge_progress() {
  const uint64_t epoch = node_->status().epoch.value;
  if (epoch < epoch_seen_) fail(fmt::format("epoch {} after {}", epoch, epoch_seen_));
  epoch_seen_ = epoch;
  auto watermarks = node_->execute("SHOW WATERMARKS");
  if (!watermarks.ok()) return note_error("watermarks", watermarks.error());
  for (const batch::Batch& batch : watermarks->batches) {
    for (size_t row = 0; row < batch.rows(); ++row) {
      const std::string name = batch.value_text(0, row) + " " + batch.value_text(1, row);
      std::string& seen = watermarks_seen_[name];
      std::string now = batch.value_text(2, row);
      if (now.ends_with('Z')) now.pop_back();  // so that texts compare as times do
      if (now < seen) fail(fmt::format("watermark of {}: {} after {}", name, now, seen));
      seen = std::move(now);
    }
  }
}

/// After a clean stop: each destination holds its view, exactly.
void Scenario::judge_sinks() {
  if (failed()) return;
  Bag wanted_copy;
  Bag wanted_large;
  for (auto& [query, wanted] :
       {std::pair{"SELECT * FROM totals", &wanted_copy}, {"SELECT * FROM large", &wanted_large}}) {
    auto rows = node_->execute(query);
    if (!rows.ok()) return note_error("read a view", rows.error());
    *wanted = bag_of(rows->batches);
  }
  if (Status stopped = node_->stop(); !stopped.ok() && !harmed_) return note_error("stop", stopped.error());
  if (!destination_.problem().empty()) return fail("the destination " + destination_.problem());
  for (const auto& [name, found, wanted] : {std::tuple{"copy", destination_.rows(), &wanted_copy},
                                            {"files", rows_in_files("/out/large", false), &wanted_large},
                                            {"changes", rows_in_files("/out/totals", true), &wanted_copy}}) {
    if (std::string wrong = difference(found, *wanted); !wrong.empty()) fail(fmt::format("sink {}:{}", name, wrong));
  }
}

/// The rows of all finished files of a sink; of changes, what they come to.
Bag Scenario::rows_in_files(const std::string& directory, bool changes) {
  Bag bag;
  auto files = env_.files().list(directory);
  if (!files.ok()) return bag;
  for (const FileInfo& file : *files) {
    if (!file.name.ends_with(".csv") || file.name.starts_with(".")) continue;
    auto text = env_.files().read_all(directory + "/" + file.name);
    if (!text.ok()) continue;
    bool header = true;
    for (std::string_view line : split_view(*text, '\n')) {
      if (std::exchange(header, false) || line.empty()) continue;
      std::string row(line);
      std::replace(row.begin(), row.end(), ',', '|');
      int64_t count = 1;
      if (changes) {
        count = line.starts_with("-") ? -1 : 1;
        row = row.substr(row.find('|', 3) + 1);
      }
      if ((bag[row] += count) < 0) fail("took back a row that was not there: " + row);
      if (bag[row] == 0) bag.erase(row);
    }
  }
  return bag;
}

}  // namespace millrace::simulation
