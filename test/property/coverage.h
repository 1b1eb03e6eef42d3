// Coverage: how often each operator, each of its forms, retractions and whatever else a property test counts have
// occurred. A property test that never tried a thing says nothing about it, so 0 anywhere is a failure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace millrace::test {

class Coverage {
 public:
  void count(const std::string& name, uint64_t times = 1) { times_[name] += times; }
  /// Every operator of the plan: its kind, its form ("Join left", "Aggregate general"), and each again where its input
  /// takes rows back ("Join left, retracting input").
  void count(const plan::Plan& plan);
  uint64_t times(const std::string& name) const;

  /// From now on `name` stands in the table even when it never occurs.
  void expect(const std::string& name) { times_.try_emplace(name, 0); }
  /// All kinds of operators but those in `left_out`, which another test tries, and all of their forms.
  void expect_operators(const std::vector<std::string>& left_out);

  /// One line a name: how often, and what.
  std::string table() const;
  /// What is expected and never occurred.
  std::vector<std::string> missing() const;

 private:
  std::map<std::string, uint64_t> times_;
};

}  // namespace millrace::test
