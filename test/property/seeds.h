// Which seeds a property test runs.
//
// MILLRACE_SEEDS=n: how many (500); tests that cost more a seed run a fixed part of them. MILLRACE_SEED=s: the first
// one (1). MILLRACE_PRINT=1 prints every query and its plan. Beside these the seeds and queries of kept.txt run always:
// they failed once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::test {

struct Seeds {
  uint64_t first = 1;
  uint64_t count = 0;
  bool whole = false;  ///< so many that whatever may occur does: coverage is judged
};
/// One in `share` of the seeds that were asked for, and at least one.
Seeds seeds_to_run(uint64_t share);

/// What the lines "`word` …" of kept.txt say behind the word.
std::vector<std::string> kept(const std::string& word);

bool prints();

/// How to run one seed of a test again. An object of this class says so also when the program aborts.
class SeedNote {
 public:
  SeedNote(const char* test, uint64_t seed);
  ~SeedNote();
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace millrace::test
