#include "golden_run.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "base/text.h"

namespace millrace::golden {
namespace {

constexpr uint64_t kSmallMax = 4;         // records or rows of a small batch
constexpr size_t kPlacesMax = 3;          // where a run restarts or dies
constexpr uint64_t kDiskChangesMax = 16;  // of a SYNC, before it dies
constexpr int kTurnsMax = 100;

bool is_data(const Step& step) {
  if (step.kind == StepKind::kInput) return true;
  std::string_view sql = trim(step.sql);
  return step.kind == StepKind::kStatement && !iequals(sql.substr(0, 6), "CREATE");
}

/// Equal as text or, for floating point, within 1e-9 of each other's size.
bool equal_values(const std::string& expected, const std::string& found, char type) {
  if (expected == found) return true;
  if (type != 'R') return false;
  char* end = nullptr;
  const double a = std::strtod(expected.c_str(), &end);
  if (expected.empty() || *end != 0) return false;
  const double b = std::strtod(found.c_str(), &end);
  if (found.empty() || *end != 0) return false;
  return std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b));
}

}  // namespace

const std::vector<Way>& ways() {
  static const std::vector<Way> kWays = {
      {"InOneGo"},
      {"InSmallBatches", 1, true},
      {"WithThreeWorkers", 3},
      {"Restarted", 2, false, true},
      {"Killed", 1, true, false, true},
  };
  return kWays;
}

GoldenRun::GoldenRun(const std::vector<Step>& steps, const Way& way, uint64_t seed)
    : steps_(steps), way_(way), random_(seed), env_(seed) {}

GoldenRun::~GoldenRun() { node_.reset(); }

std::string GoldenRun::run() {
  std::string wrong = open();
  const std::vector<size_t> places = this->places(way_.killed);
  for (size_t i = 0; i < steps_.size() && wrong.empty(); ++i) {
    wrong = run_step(steps_[i]);
    const bool here = std::find(places.begin(), places.end(), i) != places.end();
    if (wrong.empty() && here) wrong = way_.killed ? die() : restart();
    if (!wrong.empty()) wrong = "line " + std::to_string(steps_[i].line) + ": " + wrong;
  }
  if (node_ && wrong.empty()) {
    Status stopped = node_->stop();
    if (!stopped.ok()) wrong = "the end: " + render(stopped.error());
  }
  return wrong;
}

/// Behind which steps to restart or die: the middle one, and others by chance.
std::vector<size_t> GoldenRun::places(bool data_only) {
  if (!way_.restarts && !way_.killed) return {};
  std::vector<size_t> candidates;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (!data_only || is_data(steps_[i])) candidates.push_back(i);
  }
  if (candidates.empty()) return {};
  std::set<size_t> places{candidates[(candidates.size() - 1) / 2]};
  for (size_t i = 1; i < kPlacesMax; ++i) places.insert(candidates[random_.below(candidates.size())]);
  return {places.begin(), places.end()};
}

std::string GoldenRun::open() {
  node_.reset();
  engine::NodeOptions options;
  options.data_directory = "/golden/data";
  options.workers = way_.workers;
  auto opened = engine::Node::open(env_, metrics_, std::move(options));
  if (!opened.ok()) return "the node does not open: " + render(opened.error());
  node_ = std::move(opened).value();
  Status started = node_->start();
  return started.ok() ? "" : "the node does not start: " + render(started.error());
}

std::string GoldenRun::run_step(const Step& step) {
  switch (step.kind) {
    case StepKind::kStatement:
      if (!way_.small_batches) return execute(step.sql);
      for (const std::string& part : split_insert(step.sql, 1 + random_.below(kSmallMax))) {
        std::string wrong = execute(part);
        if (wrong.empty()) wrong = sync();
        if (!wrong.empty()) return wrong;
      }
      return {};
    case StepKind::kStatementError: return expect_error(step);
    case StepKind::kQuery: return query(step);
    case StepKind::kInput: return input(step);
    case StepKind::kFile: {
      Status made = env_.files().create_directories("/golden");
      if (made.ok()) made = env_.files().write_atomically("/golden/" + step.name, join(step.records, "\n") + "\n");
      return made.ok() ? "" : render(made.error());
    }
    case StepKind::kAdvance: return advance(step.time);
    case StepKind::kRestart: return restart();
  }
  return "a step of no kind";
}

/// A statement goes the way that one of a pipeline file goes: with its variables and relative paths.
std::string GoldenRun::execute(const std::string& sql) {
  auto done = node_->execute(sql);
  return done.ok() ? "" : render(done.error(), sql);
}

std::string GoldenRun::expect_error(const Step& step) {
  std::string found = execute(step.sql);
  if (found.empty()) return "no error, where one was expected";
  for (const std::string& wanted : step.expected) {
    if (found.find(trim(wanted)) == std::string::npos)
      return "expected an error with: " + std::string(trim(wanted)) + "\nfound: " + found;
  }
  return {};
}

std::string GoldenRun::query(const Step& step) {
  ++counts_.queries;
  if (std::string wrong = sync(); !wrong.empty()) return wrong;
  auto result = node_->execute(step.sql);
  if (!result.ok()) return render(result.error(), step.sql);
  std::vector<std::string> names;
  for (const auto& column : result->schema.fields) names.push_back(column.name);
  std::vector<std::vector<std::string>> rows;
  for (const batch::Batch& batch : result->batches) {
    for (size_t row = 0; row < batch.rows(); ++row) {
      std::vector<std::string>& values = rows.emplace_back();
      for (size_t column = 0; column < batch.columns(); ++column) {
        values.push_back(std::string(trim(batch.value_text(column, row))));
        if (values.back().empty()) values.back() = "(empty)";
      }
    }
  }
  return difference(step, names, std::move(rows));
}

std::string GoldenRun::input(const Step& step) {
  for (size_t at = 0; at < step.records.size();) {
    size_t count = step.records.size() - at;
    if (way_.small_batches) count = std::min<size_t>(count, 1 + random_.below(kSmallMax));
    std::vector<std::string_view> records(step.records.begin() + at, step.records.begin() + at + count);
    auto receipt = node_->append(step.name, records, {});
    if (!receipt.ok()) return render(receipt.error());
    at += count;
    if (!way_.small_batches) continue;
    if (std::string wrong = sync(); !wrong.empty()) return wrong;
  }
  return {};
}

/// Time passes only over rows that the node has taken: silence begins when they came.
std::string GoldenRun::advance(Duration time) {
  if (std::string wrong = sync(); !wrong.empty()) return wrong;
  env_.clock().advance(time);
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    auto stepped = node_->turn();
    if (!stepped.ok()) return render(stepped.error());
    if (!*stepped) return {};
  }
  return "steps without end";
}

std::string GoldenRun::restart() {
  ++counts_.restarts;
  Status stopped = node_->stop();
  return stopped.ok() ? open() : "the node does not stop: " + render(stopped.error());
}

/// What was acked is there afterwards, whatever of the work on it was done.
std::string GoldenRun::die() {
  ++counts_.deaths;
  env_.files().power_cut_after(random_.below(kDiskChangesMax));
  (void)node_->sync();
  env_.power_cut();
  node_.reset();
  env_.restart();
  return open();
}

std::string GoldenRun::sync() {
  Status synced = node_->sync();
  return synced.ok() ? "" : "SYNC: " + render(synced.error());
}

std::string difference(const Step& step, const std::vector<std::string>& names,
                       std::vector<std::vector<std::string>> found) {
  const size_t columns = names.size();
  if (!step.types.empty() && step.types.size() != columns)
    return "the query has " + std::to_string(columns) + " columns, " + step.types + " names " +
           std::to_string(step.types.size());
  std::vector<std::vector<std::string>> expected;
  for (const std::string& row : step.expected) expected.push_back(split_row(row, columns));
  if (step.header) {
    if (expected.empty() || expected[0] != names) return "columns found: " + join(names, " | ");
    expected.erase(expected.begin());
  }
  if (step.sorted) {
    std::sort(expected.begin(), expected.end());
    std::sort(found.begin(), found.end());
  }
  bool equal = expected.size() == found.size();
  for (size_t row = 0; row < found.size() && equal; ++row) {
    equal = expected[row].size() == columns;
    for (size_t column = 0; column < columns && equal; ++column)
      equal = equal_values(expected[row][column], found[row][column], step.types.empty() ? 'T' : step.types[column]);
  }
  if (equal) return {};
  std::string text = step.sql + "\nexpected:\n";
  for (const auto& row : expected) text += "  " + join(row, " | ") + "\n";
  text += "found:\n";
  for (const auto& row : found) text += "  " + join(row, " | ") + "\n";
  return text;
}

}  // namespace millrace::golden
