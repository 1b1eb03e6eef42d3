#include "seeds.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace millrace::test {
namespace {

constexpr uint64_t kSeeds = 500;

const std::string* running = nullptr;

/// Not async-signal-safe, which matters little in a process that is lost anyway.
void on_abort(int signal_number) {
  if (running) std::fprintf(stderr, "aborted in: %s\n", running->c_str());
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

Seeds seeds_to_run(uint64_t share) {
  const uint64_t count = from_environment("MILLRACE_SEEDS", kSeeds);
  return {from_environment("MILLRACE_SEED", 1), std::max<uint64_t>(1, count / share), count >= kSeeds};
}

std::vector<std::string> kept(const std::string& word) {
  const char* sources = std::getenv("MILLRACE_SOURCE_DIR");
  std::ifstream file(std::string(sources ? sources : ".") + "/test/property/kept.txt");
  std::vector<std::string> found;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(word + " ", 0) == 0) found.push_back(line.substr(word.size() + 1));
  }
  return found;
}

bool prints() { return std::getenv("MILLRACE_PRINT") != nullptr; }

SeedNote::SeedNote(const char* test, uint64_t seed)
    : text_("MILLRACE_SEED=" + std::to_string(seed) + " MILLRACE_SEEDS=1 test_property --gtest_filter=" + test) {
  running = &text_;
  for (int signal_number : {SIGABRT, SIGSEGV}) std::signal(signal_number, on_abort);
}

SeedNote::~SeedNote() { running = nullptr; }

}  // namespace millrace::test
