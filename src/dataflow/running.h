// Running aggregates of OVER: sums, counts, extremes, and the first or last value that is not NULL, of the rows of a
// partition up to some row.
//
// An argument is read from its encoded piece (a row of one column in exact form, docs/formats/state.md). A sum of
// floating numbers is folded copy by copy in the order of the rows, never taken back: what a row was given before can
// be computed again bit for bit. Exact sums and counts also go backwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dataflow/accumulator.h"

namespace millrace::dataflow {

/// What one call has seen so far.
struct RunningValue {
  SumState sum{};         // its count is that of all arguments that are not NULL
  double real = 0;        // of floating sums
  std::string_view best;  // the piece of the minimum, maximum, first or last value so far; empty: none
};

class RunningCall {
 public:
  /// Fails when the call has no running form: translate_window.cpp should have planned it as general.
  static Result<RunningCall> make(const plan::WindowCall& call, const batch::Schema& input);

  /// Counts and exact sums: what they hold can be taken back.
  bool is_exact() const { return accumulator_.state != StateKind::kFloatSum && !is_piece(); }
  /// The result is a piece of some row, not a number.
  bool is_piece() const { return accumulator_.state == StateKind::kExtreme; }
  /// `piece`: the argument, nothing for count(*). `copies` may be negative for exact calls.
  void add(RunningValue& value, std::string_view piece, int64_t copies) const;
  /// Not for pieces.
  Cell result(const RunningValue& value) const;

  /// For tables: a value as bytes, and back; `best` then points into `bytes`.
  static void append(const RunningValue& value, std::string& bytes);
  static RunningValue take(std::string_view& bytes);
  /// The same with what this call needs alone.
  void append_own(const RunningValue& value, std::string& bytes) const;
  RunningValue take_own(std::string_view& bytes) const;
  /// All later results are equal when these are.
  bool same(const RunningValue& a, const RunningValue& b) const;

 private:
  using Less = bool (*)(const char* a, const char* b);
  enum class Pick : uint8_t { kBest, kFirst, kLast };
  bool better(std::string_view a, std::string_view b) const;

  Accumulator accumulator_;
  Pick pick_ = Pick::kBest;  // of pieces
  Less less_ = nullptr;  // of extremes; null: texts
};

}  // namespace millrace::dataflow
