// Extremes: what one min() or max() call keeps besides its ExtremeState in the group's value.
//
// Append-only input: nothing for types of fixed width; for strings a table of the best text so far. With retractions
// also a bag of each group's values: when the extreme itself is taken away, the group's distinct values are looked at
// once, at the end of the step. A value at least as good as the lost extreme that comes in the same step saves even
// that.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "batch/row_codec.h"
#include "dataflow/accumulator.h"
#include "state/table.h"

namespace millrace::dataflow {

class Extremes {
 public:
  using Less = bool (*)(const char* a, const char* b);
  /// How SQL compares values of a fixed width; nullptr for other types.
  static Less less_of(batch::Layout layout);
  /// Fails for types without an order of ours (nested ones).
  static Result<std::unique_ptr<Extremes>> make(const Accumulator& accumulator, bool append_only);

  /// Adds a batch; row i belongs to the group with keys.hash(i) and keys.row(i).
  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys);
  /// The group's state is exact from here on. Called for each touched group before its result is read.
  void settle(uint64_t hash, std::string_view key, char* group_value);
  /// The current extreme of a string type; empty when there is none.
  std::string_view text(uint64_t hash, std::string_view key);
  bool is_text() const { return text_; }
  void forget(uint64_t hash, std::string_view key);
  void finish_step() { values_.release_empty(); }

  state::ValueTable& texts_table() { return texts_; }
  state::BagTable& values_table() { return values_; }

 private:
  Extremes(const Accumulator& accumulator, bool append_only, Less less);

  struct Group {
    uint64_t hash;
    std::string_view key;
    ExtremeState* state;
  };
  bool better(std::string_view a, std::string_view b) const;
  std::string_view current(const Group& group);
  void set_current(const Group& group, std::string_view value);
  void insert_only(const Group& group, std::string_view value);
  void change(const Group& group, std::string_view value, int64_t diff);

  Accumulator accumulator_;
  bool append_only_;
  bool text_;
  bool wants_max_;
  Less less_;
  state::ValueTable texts_;  // key → 'v' and the best text
  state::BagTable values_;   // key → values
  std::string scratch_;
};

}  // namespace millrace::dataflow
