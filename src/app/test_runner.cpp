#include "app/test_runner.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/answer.h"
#include "app/console.h"
#include "app/test_half.h"
#include "base/metrics.h"
#include "base/paths.h"
#include "base/real_env.h"
#include "base/text.h"
#include "engine/node.h"
#include "sql/lexer.h"

namespace millrace::app {
namespace {

constexpr size_t kShownMax = 10;  // lines of each kind in a difference

/// A folder that goes with the object.
class TemporaryFolder {
 public:
  static Result<std::unique_ptr<TemporaryFolder>> make(Env& env) {
    char name[48];
    std::snprintf(name, sizeof name, "millrace-test-%016llx", static_cast<unsigned long long>(env.random().next()));
    std::string path = join_path(environment_variable("TMPDIR").value_or("/tmp"), name);
    MR_TRY(env.files().create_directories(path));
    return std::make_unique<TemporaryFolder>(env, std::move(path));
  }
  TemporaryFolder(Env& env, std::string path) : env_(env), path_(std::move(path)) {}
  ~TemporaryFolder() { (void)env_.files().remove_recursively(path_); }
  const std::string& path() const { return path_; }

 private:
  Env& env_;
  const std::string path_;
};

/// Small numbers that follow from a seed (SplitMix64).
class SeededNumbers {
 public:
  explicit SeededNumbers(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t limit) {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % limit;
  }

 private:
  uint64_t state_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::string_view line : split_view(text, '\n')) {
    if (!trim(line).empty()) lines.emplace_back(trim(line));
  }
  return lines;
}

/// One JSON object in a form that does not depend on spaces and the order of its members; other text as it stands.
std::string normal_json(const std::string& line) {
  auto parsed = nlohmann::json::parse(line, nullptr, false);
  return parsed.is_discarded() ? line : parsed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> json_lines(const Answer& answer) {
  std::vector<std::string> lines;
  for (const auto& row : answer.rows) {
    Answer one{answer.columns, {row}, {}};
    std::string text = format_answer(one, Format::kJson, 0);
    lines.push_back(normal_json(std::string(text.substr(1, text.rfind(']') - 1))));
  }
  return lines;
}

class CaseRun {
 public:
  CaseRun(Env& env, const TestCase& test, const TestWay& way, uint64_t seed, std::string folder, std::string program)
      : env_(env), test_(test), way_(way), numbers_(seed), folder_(std::move(folder)), program_(std::move(program)) {
    for (const TestInput& input : test_.inputs) records_ += input.records.size();
  }

  Result<std::vector<TestDifference>> run() {
    const bool killed = way_.killed && !test_.script_error;
    if (killed) MR_TRY(feed_and_kill());
    if (!differences_.empty()) return std::move(differences_);
    MR_TRY(open());
    if (test_.script_error || !differences_.empty()) return std::move(differences_);
    const size_t half = records_ / 2;
    bool fed = killed || feed(0, half);
    if (fed && way_.restart) fed = restart();
    if (!fed || !feed(half, records_)) return std::move(differences_);
    Status finished = node_->finish_bounded();
    if (!finished.ok()) {
      note(0, "the run failed: " + render(finished.error()));
      return std::move(differences_);
    }
    for (const TestQuery& query : test_.queries) check(query);
    MR_TRY(node_->stop());
    return std::move(differences_);
  }

  Result<std::vector<TestDifference>> feed_only(const std::function<Status()>& fed) {
    MR_TRY(open());
    const size_t half = records_ / 2;
    if (differences_.empty() && feed(0, half) && sync() && feed(half, records_)) MR_TRY(fed());
    MR_TRY(node_->stop());
    return std::move(differences_);
  }

 private:
  void note(uint64_t line, std::string text) { differences_.push_back({line, std::move(text)}); }

  Status open() {
    node_.reset();
    metrics_ = std::make_unique<Metrics>();
    engine::NodeOptions options;
    options.data_directory = folder_ + "/data";
    options.workers = way_.workers;
    options.bounded = true;
    MR_ASSIGN(node_, engine::Node::open(env_, *metrics_, std::move(options)));
    apply_scripts();
    return node_->start();
  }

  void apply_scripts() {
    std::map<std::string, std::string> settings = test_.settings;
    for (auto& [name, value] : settings) {
      if (size_t at = value.find("{tmp}"); at != std::string::npos) value.replace(at, 5, folder_);
    }
    for (const TestScript& script : test_.scripts) {
      Status applied = node_->apply_pipeline(script.text, script.base_directory, settings);
      if (applied.ok()) continue;
      std::string shown = render(applied.error(), script.text);
      if (!test_.script_error) {
        note(0, shown);
      } else if (shown.find(*test_.script_error) == std::string::npos) {
        note(0, "expected an error with: " + *test_.script_error + "\nfound: " + shown);
      }
      return;
    }
    if (test_.script_error) note(0, "expected an error with: " + *test_.script_error + "\nfound: no error");
  }

  /// The first half of the records goes in by a process that is killed.
  Status feed_and_kill() {
    TestCase half = test_;
    size_t left = records_ / 2;
    for (TestInput& input : half.inputs) {
      input.records.resize(std::min(input.records.size(), left));
      left -= input.records.size();
    }
    MR_ASSIGN(std::string wrong, feed_half_and_kill(env_, program_, half, folder_));
    if (!wrong.empty()) note(0, std::move(wrong));
    return {};
  }

  /// Brings the records with the numbers from `first` to before `last` in. False when something failed.
  bool feed(size_t first, size_t last) {
    size_t number = 0;  // of the input's first record
    for (const TestInput& input : test_.inputs) {
      const size_t end = std::min(last, number + input.records.size());
      for (size_t at = std::max(first, number); at < end;) {
        size_t count = end - at;
        if (way_.small_batches) count = std::min<size_t>(count, 1 + numbers_.below(5));
        if (!send(input, at - number, count)) return false;
        at += count;
      }
      number += input.records.size();
    }
    return true;
  }

  bool send(const TestInput& input, size_t first, size_t count) {
    std::vector<std::string_view> records(input.records.begin() + first, input.records.begin() + first + count);
    auto receipt = node_->append(input.stream, records, {});
    if (!receipt.ok()) {
      note(0, "input " + input.stream + ": " + render(receipt.error()));
      return false;
    }
    return !way_.small_batches || sync();
  }

  bool sync() {
    Status synced = node_->sync();
    if (!synced.ok()) note(0, "the run failed: " + render(synced.error()));
    return synced.ok();
  }

  bool restart() {
    Status status = node_->stop();
    if (status.ok()) status = open();
    if (!status.ok()) note(0, "the restart failed: " + render(status.error()));
    return status.ok() && differences_.empty();
  }

  void check(const TestQuery& query) {
    auto result = node_->execute(query.sql);
    if (query.expect == Expect::kError) {
      std::string wanted = join(query.expected, "\n");
      if (result.ok()) {
        note(query.line, "expected an error with: " + wanted + "\nfound: no error");
      } else if (render(result.error(), query.sql).find(wanted) == std::string::npos) {
        note(query.line, "expected an error with: " + wanted + "\nfound: " + render(result.error(), query.sql));
      }
      return;
    }
    if (!result.ok()) return note(query.line, render(result.error(), query.sql));
    Answer answer = to_answer(*result);
    std::vector<std::string> expected = query.expected;
    std::vector<std::string> actual;
    if (query.expect == Expect::kJson) {
      for (std::string& line : expected) line = normal_json(line);
      actual = json_lines(answer);
    } else {
      actual = lines_of(format_answer(answer, Format::kCsv, 0));
      if (expected.front() != actual.front()) {
        return note(query.line, "columns expected: " + expected.front() + "\ncolumns found:    " + actual.front());
      }
    }
    std::string difference = difference_of(std::move(expected), std::move(actual), is_ordered(query.sql));
    if (!difference.empty()) note(query.line, std::move(difference));
  }

  Env& env_;
  const TestCase& test_;
  const TestWay& way_;
  SeededNumbers numbers_;
  const std::string folder_;
  const std::string program_;
  size_t records_ = 0;  // of all inputs
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<engine::Node> node_;
  std::vector<TestDifference> differences_;
};

void append_lines(std::string& out, const char* mark, const std::vector<std::string>& lines) {
  for (size_t i = 0; i < lines.size() && i < kShownMax; ++i) out += mark + lines[i] + "\n";
  if (lines.size() > kShownMax)
    out += std::string(mark) + "and " + std::to_string(lines.size() - kShownMax) + " more\n";
}

}  // namespace

const std::vector<TestWay>& test_ways() {
  static const std::vector<TestWay> kWays = {
      {"in one go", 1, false, false},
      {"in small batches", 1, true, false},
      {"with 3 workers", 3, false, false},
      {"with a restart in the middle", 1, false, true},
      {"killed in the middle", 1, false, false, true},
  };
  return kWays;
}

Result<std::vector<TestDifference>> run_case(Env& env, const TestCase& test, const TestWay& way, uint64_t seed,
                                             const std::string& program) {
  MR_ASSIGN(auto folder, TemporaryFolder::make(env));
  return CaseRun(env, test, way, seed, folder->path(), program).run();
}

Result<std::vector<TestDifference>> feed_case(Env& env, const TestCase& test, const std::string& folder,
                                              const std::function<Status()>& fed) {
  return CaseRun(env, test, TestWay{"fed"}, 0, folder, {}).feed_only(fed);
}

std::string difference_of(std::vector<std::string> expected, std::vector<std::string> actual, bool ordered) {
  if (expected == actual) return {};
  std::vector<std::string> wanted = expected;
  std::vector<std::string> found = actual;
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::set_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(missing));
  std::set_difference(found.begin(), found.end(), wanted.begin(), wanted.end(), std::back_inserter(extra));
  std::string out;
  append_lines(out, "missing:    ", missing);
  append_lines(out, "unexpected: ", extra);
  if (!out.empty() || !ordered) return out;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] != actual[i])
      return "the order differs; row " + std::to_string(i) + " expected: " + expected[i] + "\nfound: " + actual[i] +
             "\n";
  }
  return {};
}

bool is_ordered(std::string_view sql) {
  auto tokens = sql::tokenize(sql);
  if (!tokens.ok()) return false;
  int depth = 0;
  for (size_t i = 0; i + 1 < tokens->size(); ++i) {
    const sql::Token& token = (*tokens)[i];
    if (token.kind == sql::TokenKind::kLeftParenthesis) ++depth;
    if (token.kind == sql::TokenKind::kRightParenthesis) --depth;
    if (depth == 0 && sql::is_keyword(sql, token, "ORDER") && sql::is_keyword(sql, (*tokens)[i + 1], "BY")) return true;
  }
  return false;
}

}  // namespace millrace::app
