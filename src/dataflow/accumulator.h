// Accumulators: the running states of the fast aggregates, packed into one value of a ValueTable for each group.
//
// A group's value is a GroupHeader, then each call's state at its offset. All states take retractions exactly, but for
// those over floating point (append-only inputs) and for minimum and maximum, which need the group's values beside
// them when an extreme is taken away (dataflow/extremes.h). Calls with DISTINCT have the state of the call without;
// what is added to it and taken away is decided beside (dataflow/distinct_values.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "batch/batch.h"
#include "plan/plan.h"

namespace millrace::dataflow {

struct GroupHeader {
  int64_t rows;
  uint32_t touched;  // 0, or 1 + the group's place in the step's list; 0 between steps
  uint32_t flags;
};
inline constexpr uint32_t kGroupEmitted = 1;  // its row stands in the output
inline constexpr uint32_t kGroupFailed = 2;   // its result cannot be computed; an error entry stands for it

struct CountState {
  int64_t count;  // of kFirst: of rows that count
};
/// Value: overflows * 2^128 + sum, both signed; it fits the result when overflows is 0.
struct SumState {
  uint64_t sum_low;
  int64_t sum_high;
  int64_t overflows;
  int64_t count;
};
struct FloatSumState {
  double sum;
  int64_t count;
};
struct BoolState {
  int64_t count;
  int64_t trues;
};
/// Of whole numbers: what is exact can be taken back.
struct ExactVarianceState {
  SumState sum;
  SumState squares;
};
/// Welford's running form (Technometrics 1962), as DuckDB computes it.
struct FloatVarianceState {
  int64_t count;
  double mean;
  double squares;  // of the distances from the mean
};
struct ExtremeState {
  int64_t count;   // of values that are not NULL
  int64_t stale;   // the extreme was taken away: `value` is only a bound
  char value[16];  // types of fixed width; strings are elsewhere
};

/// A result, or NULL.
struct Cell {
  bool null = false;
  char bytes[16] = {};
};

enum class StateKind : uint8_t {
  kRows,
  kCount,
  kSum,
  kFloatSum,
  kExtreme,
  kBool,
  kExactVariance,
  kFloatVariance,
  kFirst,  // how many rows count; what they give is beside
  kSketch,  // HyperLogLog
};

/// The state cannot take a retraction.
constexpr bool is_append_only(StateKind state) {
  return state == StateKind::kFloatSum || state == StateKind::kFloatVariance || state == StateKind::kSketch;
}

struct Accumulator {
  plan::AggregateKind kind;  // of a call with DISTINCT: that of the call without
  StateKind state;
  int32_t argument;
  int32_t filter;
  int32_t sort_key;
  batch::Type argument_type;  // of no use when argument is -1
  batch::Type result;
  bool distinct = false;
  uint32_t offset = 0;  // of its state within the group's value
};

/// The accumulators of an aggregate's calls over an input with these columns, and the length of a group's value.
/// Fails when a call has no fast form; the binder should have marked it kGeneral.
Result<std::vector<Accumulator>> make_accumulators(std::span<const plan::AggregateCall> calls,
                                                   const batch::Schema& input, uint32_t& value_length);

/// The part of it that 128 bits hold.
batch::int128 sum_of(const SumState& state);

/// Adds a batch to all states but those that CallTables keep. `states` holds each row's group value,
/// nullptr for rows that do not count.
void accumulate(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states);

/// The result; of one that is bytes of CallTables, whether it is NULL. False when it is out of the range of the result
/// type.
bool result_of(const Accumulator& accumulator, const char* value, Cell& cell);

/// A whole number, or a DECIMAL without its point.
batch::int128 exact_number(batch::Layout layout, const void* at);

/// The same for one sum of exact numbers: adds `value` `copies` times, takes it away when negative; its result.
void add_to_sum(SumState& state, batch::int128 value, int64_t copies);
bool result_of_sum(const Accumulator& accumulator, const SumState& state, Cell& cell);

/// Calls update(row, state, diff) for the rows of `batch` that count for the call: its argument is not NULL and its
/// FILTER is true.
template <typename Update>
void for_each_counted(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states,
                      Update&& update) {
  batch::ColumnView argument, filter;
  const bool has_argument = accumulator.argument >= 0;
  const bool has_filter = accumulator.filter >= 0;
  if (has_argument) argument = batch.column(static_cast<size_t>(accumulator.argument));
  if (has_filter) filter = batch.column(static_cast<size_t>(accumulator.filter));
  const int64_t* diffs = batch.all_inserts() ? nullptr : batch.diffs().data();
  for (size_t row = 0; row < states.size(); ++row) {
    if (!states[row]) continue;
    if (has_filter && (filter.is_null(row) || filter.at<uint8_t>(row) == 0)) continue;
    if (has_argument && argument.is_null(row)) continue;
    update(row, states[row] + accumulator.offset, diffs ? diffs[row] : 1);
  }
}

}  // namespace millrace::dataflow
