#include "app/test_half.h"

#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "app/console.h"
#include "app/test_runner.h"
#include "base/child_process.h"
#include "base/paths.h"

namespace millrace::app {
namespace {

constexpr const char* kFed = "fed";
constexpr Duration kHalfTimeMax{int64_t{600} * 1000000};

std::string half_path(const std::string& folder) { return join_path(folder, "half"); }

Status wait_for_end_of_input() {
  char bytes[64];
  while (true) {
    MR_ASSIGN(size_t count, read_input(bytes, sizeof bytes));
    if (count == 0) return {};
  }
}

}  // namespace

// MessagePack, because records are bytes and need not be UTF-8.
std::string encode_half(const TestCase& half) {
  nlohmann::json file;
  file["settings"] = half.settings;
  file["scripts"] = nlohmann::json::array();
  for (const TestScript& script : half.scripts) file["scripts"].push_back({script.text, script.base_directory});
  file["inputs"] = nlohmann::json::array();
  for (const TestInput& input : half.inputs) file["inputs"].push_back({input.stream, input.records});
  std::vector<uint8_t> bytes = nlohmann::json::to_msgpack(file);
  return std::string(bytes.begin(), bytes.end());
}

Result<TestCase> decode_half(std::string_view bytes) {
  TestCase half;
  try {
    nlohmann::json file = nlohmann::json::from_msgpack(bytes.begin(), bytes.end());
    file.at("settings").get_to(half.settings);
    for (const auto& script : file.at("scripts")) half.scripts.push_back({script.at(0), script.at(1)});
    for (const auto& input : file.at("inputs")) half.inputs.push_back({input.at(0), input.at(1)});
  } catch (const nlohmann::json::exception& error) {
    return external_error(sqlstate::kDataCorrupted, std::string("half of a test case: ") + error.what());
  }
  return half;
}

Result<std::string> feed_half_and_kill(Env& env, const std::string& program, const TestCase& half,
                                       const std::string& folder) {
  MR_TRY(env.files().write_atomically(half_path(folder), encode_half(half)));
  MR_ASSIGN(auto child, ChildProcess::start(program, {kTestHalfCommand, folder}));
  std::string said;
  while (true) {
    MR_ASSIGN(auto line, child->read_line(kHalfTimeMax));
    if (!line) return said.empty() ? "the process that is fed ended before it was killed" : said;
    if (*line == kFed) break;
    said += (said.empty() ? "" : "\n") + *line;
  }
  MR_TRY(child->kill());
  return said;
}

int run_test_half(Env& env, const std::string& folder) {
  auto bytes = env.files().read_all(half_path(folder));
  if (!bytes.ok()) return report_failure(bytes.error());
  auto half = decode_half(*bytes);
  if (!half.ok()) return report_failure(half.error());
  auto wrong = feed_case(env, *half, folder, []() -> Status {
    MR_TRY(write_output(std::string(kFed) + "\n"));
    return wait_for_end_of_input();
  });
  if (!wrong.ok()) return report_failure(wrong.error());
  for (const TestDifference& difference : *wrong) {
    if (!write_output(difference.text + "\n").ok()) return kExitFailed;
  }
  return wrong->empty() ? kExitDone : kExitFailed;
}

}  // namespace millrace::app
