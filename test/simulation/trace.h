// What happened in a run, line by line. Equal seeds give equal traces: that is compared by the hash.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "base/hash.h"

namespace millrace::simulation {

class Trace {
 public:
  /// `print`: every line goes to stderr too.
  explicit Trace(bool print) : print_(print) {}

  void note(std::string line) {
    hash_ = mix64(hash_ ^ hash_bytes(line));
    if (print_) std::fprintf(stderr, "%s\n", line.c_str());
    lines_.push_back(std::move(line));
    if (lines_.size() > kKept) lines_.pop_front();
  }
  uint64_t hash() const { return hash_; }
  std::string tail() const {
    std::string text;
    for (const std::string& line : lines_) text += "  " + line + "\n";
    return text;
  }

 private:
  static constexpr size_t kKept = 25;
  const bool print_;
  uint64_t hash_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace millrace::simulation
