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

#include "dataflow/call_tables.h"

namespace millrace::dataflow {

class Extremes final : public CallTables {
 public:
  using Less = bool (*)(const char* a, const char* b);
  /// How SQL compares values of a fixed width; nullptr for other types.
  static Less less_of(batch::Layout layout);
  /// Fails for types without an order of ours (nested ones).
  static Result<std::unique_ptr<Extremes>> make(const Accumulator& accumulator, bool append_only);

  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) override;
  Status settle(uint64_t hash, std::string_view key, char* group_value) override;
  bool gives_bytes() const override { return text_; }
  /// The current extreme of a string type.
  std::string_view result_bytes(uint64_t hash, std::string_view key) override;
  Status write_result(std::string_view bytes, batch::Batch& batch, size_t row, size_t column) const override;
  void forget(uint64_t hash, std::string_view key) override;
  Status finish_step() override;
  std::array<state::Table*, 2> tables() override { return {&texts_, &values_}; }

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
