#include "app/test_command.h"

#include <set>
#include <vector>

#include "app/command_line.h"
#include "app/console.h"
#include "app/test_file.h"
#include "app/test_runner.h"
#include "base/paths.h"
#include "base/text.h"

namespace millrace::app {
namespace {

/// The *.test files at or below a path, by name. Folders whose name begins with a dot are passed over.
Status find_tests(Env& env, const std::string& path, std::vector<std::string>& found) {
  auto entries = env.files().list(path);
  if (!entries.ok()) {
    MR_ASSIGN(auto file, env.files().open_read(path));
    found.push_back(path);
    return {};
  }
  for (const FileInfo& entry : *entries) {
    std::string inner = join_path(path, entry.name);
    if (entry.is_directory && !entry.name.starts_with('.')) MR_TRY(find_tests(env, inner, found));
    if (!entry.is_directory && entry.name.ends_with(".test")) found.push_back(inner);
  }
  return {};
}

void indent(std::string& out, std::string_view text, const char* margin) {
  for (std::string_view line : split_view(text, '\n')) {
    if (!line.empty()) out.append(margin).append(line).push_back('\n');
  }
}

/// Runs one case in every way; the text of what went wrong, empty when nothing did. A difference that an earlier way
/// showed already is only named.
Result<std::string> run_every_way(Env& env, const TestCase& test, const TestFlags& flags) {
  std::string out;
  std::set<std::string> seen;
  for (const TestWay& way : test_ways()) {
    MR_ASSIGN(auto differences, run_case(env, test, way, flags.seed, flags.program));
    if (flags.verbose)
      MR_TRY(write_output("  " + std::string(way.name) + (differences.empty() ? ": ok\n" : ": FAILED\n")));
    for (const TestDifference& difference : differences) {
      std::string where = difference.line == 0 ? std::string() : ", query in line " + std::to_string(difference.line);
      bool repeated = !seen.insert(where + difference.text).second;
      out += "  " + std::string(way.name) + where + (repeated ? ": the same\n" : ":\n");
      if (!repeated) indent(out, difference.text, "    ");
    }
  }
  return out;
}

struct Totals {
  uint64_t passed = 0;
  uint64_t failed = 0;
};

Status run_file(Env& env, const std::string& path, const TestFlags& flags, Totals& totals) {
  auto cases = read_test_file(env, path);
  if (!cases.ok()) {
    ++totals.failed;
    return write_output("FAILED " + render(cases.error()) + "\n");
  }
  for (const TestCase& test : *cases) {
    auto wrong = run_every_way(env, test, flags);
    std::string text = wrong.ok() ? *wrong : "  " + render(wrong.error()) + "\n";
    ++(text.empty() ? totals.passed : totals.failed);
    std::string name = path + (test.name.empty() ? "" : ": " + test.name);
    MR_TRY(write_output((text.empty() ? "ok     " : "FAILED ") + name + "\n" + text));
  }
  return {};
}

}  // namespace

int run_tests(Env& env, const TestFlags& flags) {
  std::vector<std::string> files;
  Status found = find_tests(env, flags.path, files);
  if (!found.ok()) return report_failure(found.error());
  if (files.empty()) return report_usage("there is no *.test file in " + flags.path);
  Totals totals;
  for (const std::string& file : files) {
    Status status = run_file(env, file, flags, totals);
    if (!status.ok()) return report_failure(status.error());
  }
  std::string summary = std::to_string(totals.passed) + " passed, " + std::to_string(totals.failed) +
                        " failed; each in " + std::to_string(test_ways().size()) + " ways\n";
  Status written = write_output(summary);
  if (!written.ok()) return report_failure(written.error());
  return totals.failed == 0 ? kExitDone : kExitFailed;
}

}  // namespace millrace::app
