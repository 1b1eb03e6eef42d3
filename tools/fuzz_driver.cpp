// Runs one fuzzer (test/fuzz/<name>.cpp, which defines LLVMFuzzerTestOneInput) with any compiler: first every file of
// its corpus, then random changes to them until the time is over. The same seed tries the same inputs. Under clang's
// libFuzzer this file is not used.
//
//   fuzz_<name> [INPUT_FILE...]     environment: MILLRACE_FUZZ_CORPUS (a folder), MILLRACE_FUZZ_SECONDS (2),
//   MILLRACE_FUZZ_SEED (1)
//
// A crash leaves its input in fuzz_<name>.crash beside the program.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
#if defined(__SANITIZE_ADDRESS__)
extern "C" void __sanitizer_set_death_callback(void (*callback)());
#endif

namespace {

constexpr size_t kInputBytesMax = 64 * 1024;

std::string current_input;
std::string crash_file;

// Keeps the input of a crash. Not async-signal-safe, which matters little in a process that is lost anyway.
void save_input() {
  std::ofstream(crash_file, std::ios::binary) << current_input;
  std::cerr << "the input (" << current_input.size() << " bytes) is in " << crash_file << '\n';
}

void on_signal(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  save_input();
  std::raise(signal_number);
}

void catch_crashes() {
  for (int signal_number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal_number, on_signal);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(save_input);
#endif
}

// The named files, then all files of the corpus folder in the order of their names.
std::vector<std::string> read_corpus(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths(argv + 1, argv + argc);
  if (const char* folder = std::getenv("MILLRACE_FUZZ_CORPUS")) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) {
        paths.push_back(entry.path());
      }
    }
    std::sort(paths.begin() + (argc - 1), paths.end());
  }
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  size_t below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  // A few random edits; `other` gives material to splice in.
  std::string change(std::string input, const std::string& other) {
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      edit(input, other);
    }
    if (input.size() > kInputBytesMax) {
      input.resize(kInputBytesMax);
    }
    return input;
  }

 private:
  void edit(std::string& input, const std::string& other) {
    static const char kTelling[] = {'\0', '\x01', '\x7f', '\x80', '\xff', '"', '\\',
                                    '{',  '[',    ',',    '\n',   '-',    '0', '9'};
    const size_t at = below(input.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < input.size()) input[at] = kTelling[below(sizeof kTelling)];
        break;
      case 2: input.insert(at, 1, kTelling[below(sizeof kTelling)]); break;
      case 3: input.erase(at, 1 + below(16)); break;
      case 4: input.resize(at); break;
      default: input.insert(at, other.substr(below(other.size()), 1 + below(64))); break;
    }
  }

  std::mt19937_64 random_;
};

void run_one(std::string input) {
  current_input = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current_input.data()), current_input.size());
}

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  crash_file = std::string(argv[0]) + ".crash";
  catch_crashes();
  std::vector<std::string> corpus = read_corpus(argc, argv);
  const size_t corpus_files = corpus.size();
  for (const auto& input : corpus) {
    run_one(input);
  }
  corpus.emplace_back();
  Mutator mutator(number_from_environment("MILLRACE_FUZZ_SEED", 1));
  const std::time_t end =
      std::time(nullptr) + static_cast<std::time_t>(number_from_environment("MILLRACE_FUZZ_SECONDS", 2));
  uint64_t runs = 0;
  while (std::time(nullptr) < end) {
    for (int i = 0; i < 100; ++i, ++runs) {
      run_one(mutator.change(corpus[mutator.below(corpus.size())], corpus[mutator.below(corpus.size())]));
    }
  }
  std::cout << corpus_files << " corpus files and " << runs << " changed inputs, no crash\n";
  return 0;
}
