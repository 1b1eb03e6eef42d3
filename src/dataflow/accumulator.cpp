#include "dataflow/accumulator.h"

#include <cmath>

#include "dataflow/hyper_log_log.h"
#include "dataflow/variance.h"

namespace millrace::dataflow {

using batch::Layout;
using int128 = batch::int128;
using uint128 = unsigned __int128;

int128 sum_of(const SumState& state) {
  return static_cast<int128>((static_cast<uint128>(static_cast<uint64_t>(state.sum_high)) << 64) | state.sum_low);
}

namespace {

bool is_float(Layout layout) { return layout == Layout::kFloat || layout == Layout::kDouble; }
bool is_integer(Layout layout) {
  return layout >= Layout::kBool && layout <= Layout::kUint64;  // 128-bit signed ones too
}

uint32_t state_bytes(StateKind kind) {
  switch (kind) {
    case StateKind::kRows: return 0;
    case StateKind::kCount:
    case StateKind::kFirst: return sizeof(CountState);
    case StateKind::kSum: return sizeof(SumState);
    case StateKind::kFloatSum: return sizeof(FloatSumState);
    case StateKind::kExtreme: return sizeof(ExtremeState);
    case StateKind::kBool: return sizeof(BoolState);
    case StateKind::kExactVariance: return sizeof(ExactVarianceState);
    case StateKind::kFloatVariance: return sizeof(FloatVarianceState);
    case StateKind::kSketch: return sizeof(HyperLogLog);
  }
  return 0;
}

void add_to(SumState& state, int128 value) {
  int128 sum;
  if (__builtin_add_overflow(sum_of(state), value, &sum)) [[unlikely]]
    state.overflows += value > 0 ? 1 : -1;
  state.sum_low = static_cast<uint64_t>(static_cast<uint128>(sum));
  state.sum_high = static_cast<int64_t>(static_cast<uint128>(sum) >> 64);
}

void add_product(SumState& state, int64_t value, int64_t diff) { add_to(state, static_cast<int128>(value) * diff); }

/// value = high * 2^64 + low, so the product is high * diff * 2^64 + low * diff; either part may pass 2^127.
void add_product(SumState& state, int128 value, int64_t diff) {
  const int64_t high = static_cast<int64_t>(value >> 64);
  const uint64_t low = static_cast<uint64_t>(static_cast<uint128>(value));
  add_to(state, static_cast<int128>(low) * diff);
  const int128 high_product = static_cast<int128>(high) * diff;
  const uint64_t shifted_low = static_cast<uint64_t>(static_cast<uint128>(high_product));
  const int128 shifted = static_cast<int128>(static_cast<uint128>(shifted_low) << 64);
  state.overflows += static_cast<int64_t>(high_product >> 64) + (shifted < 0 ? 1 : 0);
  add_to(state, shifted);
}

template <typename T>
void accumulate_sum(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator.argument));
  for_each_counted(accumulator, batch, states, [&](size_t row, char* at, int64_t diff) {
    auto& state = *reinterpret_cast<SumState*>(at);
    T value;
    std::memcpy(&value, &column.at<T>(row), sizeof value);
    if constexpr (sizeof(T) == 16 || std::is_same_v<T, uint64_t>) {
      add_product(state, static_cast<int128>(value), diff);
    } else {
      add_product(state, static_cast<int64_t>(value), diff);
    }
    state.count += diff;
  });
}

template <typename T>
void accumulate_float(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator.argument));
  for_each_counted(accumulator, batch, states, [&](size_t row, char* at, int64_t diff) {
    auto& state = *reinterpret_cast<FloatSumState*>(at);
    MR_CHECK(diff > 0, "a floating sum got a retraction, but its plan says append-only");
    state.sum += static_cast<double>(column.at<T>(row)) * static_cast<double>(diff);
    state.count += diff;
  });
}

void accumulate_bool(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator.argument));
  for_each_counted(accumulator, batch, states, [&](size_t row, char* at, int64_t diff) {
    auto& state = *reinterpret_cast<BoolState*>(at);
    state.count += diff;
    if (column.at<uint8_t>(row) != 0) state.trues += diff;
  });
}

void accumulate_sketch(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator.argument));
  for_each_counted(accumulator, batch, states, [&](size_t row, char* at, int64_t) {
    reinterpret_cast<HyperLogLog*>(at)->add(column.at<uint64_t>(row));
  });
}

void accumulate_variance(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  const batch::ColumnView column = batch.column(static_cast<size_t>(accumulator.argument));
  const Layout layout = accumulator.argument_type.layout();
  const size_t width = accumulator.argument_type.width();
  for_each_counted(accumulator, batch, states, [&](size_t row, char* at, int64_t diff) {
    if (accumulator.state == StateKind::kFloatVariance) {
      MR_CHECK(diff > 0, "a floating variance got a retraction, but its plan says append-only");
      return add_to_variance(*reinterpret_cast<FloatVarianceState*>(at), column.at<double>(row), diff);
    }
    const int128 value = exact_number(layout, static_cast<const char*>(column.data_) + column.index(row) * width);
    auto& state = *reinterpret_cast<ExactVarianceState*>(at);
    add_to_sum(state.sum, value, diff);
    add_to_sum(state.squares, value * value, diff);
    state.sum.count += diff;
  });
}

void accumulate_exact_sum(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  switch (accumulator.argument_type.layout()) {
    case Layout::kBool:
    case Layout::kUint8: return accumulate_sum<uint8_t>(accumulator, batch, states);
    case Layout::kInt8: return accumulate_sum<int8_t>(accumulator, batch, states);
    case Layout::kInt16: return accumulate_sum<int16_t>(accumulator, batch, states);
    case Layout::kInt32: return accumulate_sum<int32_t>(accumulator, batch, states);
    case Layout::kInt64: return accumulate_sum<int64_t>(accumulator, batch, states);
    case Layout::kInt128: return accumulate_sum<int128>(accumulator, batch, states);
    case Layout::kUint16: return accumulate_sum<uint16_t>(accumulator, batch, states);
    case Layout::kUint32: return accumulate_sum<uint32_t>(accumulator, batch, states);
    case Layout::kUint64: return accumulate_sum<uint64_t>(accumulator, batch, states);
    default: MR_CHECK(false, "sum over a type that is not a number");
  }
}

template <typename T>
void set_cell(Cell& cell, T value) {
  std::memcpy(cell.bytes, &value, sizeof value);
}

/// As DuckDB divides: in double for arguments of up to 32 bits, in long double for wider ones.
double exact_average(const Accumulator& accumulator, const SumState& state) {
  const batch::Type& type = accumulator.argument_type;
  double scale = 1;
  if (type.id() == batch::TypeId::kDecimal) scale = std::pow(10.0, type.decimal_scale());
  if (type.width() <= 4) return static_cast<double>(sum_of(state)) / (static_cast<double>(state.count) * scale);
  return static_cast<double>(static_cast<long double>(sum_of(state)) /
                             (static_cast<long double>(state.count) * static_cast<long double>(scale)));
}

bool sum_result(const Accumulator& accumulator, const SumState& state, Cell& cell) {
  cell.null = state.count == 0;
  if (cell.null) return true;
  if (state.overflows != 0) return false;
  if (accumulator.kind == plan::AggregateKind::kAvg) {
    set_cell(cell, exact_average(accumulator, state));
    return true;
  }
  const int128 sum = sum_of(state);
  if (accumulator.result.layout() == Layout::kInt128) {
    set_cell(cell, sum);
    return true;
  }
  set_cell(cell, static_cast<int64_t>(sum));
  return sum == static_cast<int64_t>(sum);
}

bool bool_result(const Accumulator& accumulator, const BoolState& state, Cell& cell) {
  cell.null = state.count == 0;
  const bool all = accumulator.kind == plan::AggregateKind::kBoolAnd;
  set_cell(cell, static_cast<uint8_t>(all ? state.trues == state.count : state.trues > 0));
  return true;
}

/// The call without DISTINCT.
plan::AggregateKind plain_kind(plan::AggregateKind kind) {
  using plan::AggregateKind;
  switch (kind) {
    case AggregateKind::kCountDistinct: return AggregateKind::kCount;
    case AggregateKind::kSumDistinct: return AggregateKind::kSum;
    case AggregateKind::kAvgDistinct: return AggregateKind::kAvg;
    default: return kind;
  }
}

Result<StateKind> state_kind(const plan::AggregateCall& call, Layout argument) {
  using plan::AggregateKind;
  const Layout result = call.result.layout();
  switch (plain_kind(call.kind)) {
    case AggregateKind::kCountStar:
    case AggregateKind::kCount:
      return call.kind == AggregateKind::kCountStar && call.filter < 0 ? StateKind::kRows : StateKind::kCount;
    case AggregateKind::kSum:
      if (is_float(argument) && result == Layout::kDouble) return StateKind::kFloatSum;
      if (is_integer(argument) && (result == Layout::kInt128 || result == Layout::kInt64)) return StateKind::kSum;
      break;
    case AggregateKind::kAvg:
      if (result != Layout::kDouble) break;
      if (is_float(argument)) return StateKind::kFloatSum;
      if (is_integer(argument)) return StateKind::kSum;
      break;
    case AggregateKind::kMin:
    case AggregateKind::kMax: return StateKind::kExtreme;
    case AggregateKind::kBoolAnd:
    case AggregateKind::kBoolOr: return StateKind::kBool;
    case AggregateKind::kVarSamp:
    case AggregateKind::kVarPop:
    case AggregateKind::kStddevSamp:
    case AggregateKind::kStddevPop:
      if (argument == Layout::kDouble) return StateKind::kFloatVariance;
      if (is_integer(argument) && argument != Layout::kInt128 && argument != Layout::kUint64)
        return StateKind::kExactVariance;
      break;
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
    case AggregateKind::kList:
    case AggregateKind::kStringAgg: return StateKind::kFirst;
    case AggregateKind::kApproxCountDistinct: return StateKind::kSketch;
    default: break;
  }
  return internal_error("an aggregate was planned as fast but has no fast form: " + call.text);
}

}  // namespace

Result<std::vector<Accumulator>> make_accumulators(std::span<const plan::AggregateCall> calls,
                                                   const batch::Schema& input, uint32_t& value_length) {
  std::vector<Accumulator> accumulators;
  value_length = sizeof(GroupHeader);
  for (const plan::AggregateCall& call : calls) {
    Accumulator made{plain_kind(call.kind), StateKind::kRows, call.argument, call.filter,
                     call.sort_key,         {},                call.result};
    made.distinct = made.kind != call.kind;
    if (call.argument >= 0) made.argument_type = input[static_cast<size_t>(call.argument)].type;
    MR_ASSIGN(made.state, state_kind(call, made.argument_type.layout()));
    made.offset = value_length;
    value_length += state_bytes(made.state);
    accumulators.push_back(std::move(made));
  }
  return accumulators;
}

void accumulate(const Accumulator& accumulator, const batch::Batch& batch, std::span<char* const> states) {
  switch (accumulator.state) {
    case StateKind::kRows:
    case StateKind::kFirst:
    case StateKind::kExtreme: return;
    case StateKind::kCount:
      return for_each_counted(accumulator, batch, states,
                              [](size_t, char* at, int64_t diff) { reinterpret_cast<CountState*>(at)->count += diff; });
    case StateKind::kSum: return accumulate_exact_sum(accumulator, batch, states);
    case StateKind::kBool: return accumulate_bool(accumulator, batch, states);
    case StateKind::kSketch: return accumulate_sketch(accumulator, batch, states);
    case StateKind::kExactVariance:
    case StateKind::kFloatVariance: return accumulate_variance(accumulator, batch, states);
    case StateKind::kFloatSum:
      if (accumulator.argument_type.layout() == Layout::kFloat)
        return accumulate_float<float>(accumulator, batch, states);
      return accumulate_float<double>(accumulator, batch, states);
  }
}

int128 exact_number(Layout layout, const void* at) {
  const auto value = [at]<typename T>(T number) -> int128 {
    std::memcpy(&number, at, sizeof number);
    return static_cast<int128>(number);
  };
  switch (layout) {
    case Layout::kBool:
    case Layout::kUint8: return value(uint8_t{});
    case Layout::kInt8: return value(int8_t{});
    case Layout::kInt16: return value(int16_t{});
    case Layout::kInt32: return value(int32_t{});
    case Layout::kInt64: return value(int64_t{});
    case Layout::kUint16: return value(uint16_t{});
    case Layout::kUint32: return value(uint32_t{});
    case Layout::kUint64: return value(uint64_t{});
    default: return value(int128{});
  }
}

void add_to_sum(SumState& state, int128 value, int64_t copies) { add_product(state, value, copies); }

bool result_of_sum(const Accumulator& accumulator, const SumState& state, Cell& cell) {
  return sum_result(accumulator, state, cell);
}

bool result_of(const Accumulator& accumulator, const char* value, Cell& cell) {
  const char* at = value + accumulator.offset;
  switch (accumulator.state) {
    case StateKind::kRows: set_cell(cell, reinterpret_cast<const GroupHeader*>(value)->rows); return true;
    case StateKind::kCount: set_cell(cell, reinterpret_cast<const CountState*>(at)->count); return true;
    case StateKind::kSum: return sum_result(accumulator, *reinterpret_cast<const SumState*>(at), cell);
    case StateKind::kFloatSum: {
      const auto& state = *reinterpret_cast<const FloatSumState*>(at);
      cell.null = state.count == 0;
      const bool average = accumulator.kind == plan::AggregateKind::kAvg;
      if (!cell.null) set_cell(cell, average ? state.sum / static_cast<double>(state.count) : state.sum);
      return true;
    }
    case StateKind::kSketch: set_cell(cell, reinterpret_cast<const HyperLogLog*>(at)->estimate()); return true;
    case StateKind::kFirst: cell.null = reinterpret_cast<const CountState*>(at)->count == 0; return true;
    case StateKind::kBool: return bool_result(accumulator, *reinterpret_cast<const BoolState*>(at), cell);
    case StateKind::kExactVariance:
      return variance(accumulator, *reinterpret_cast<const ExactVarianceState*>(at), cell);
    case StateKind::kFloatVariance:
      return variance(accumulator, *reinterpret_cast<const FloatVarianceState*>(at), cell);
    case StateKind::kExtreme: {
      const auto& state = *reinterpret_cast<const ExtremeState*>(at);
      cell.null = state.count == 0;
      if (!cell.null) std::memcpy(cell.bytes, state.value, sizeof cell.bytes);
      return true;
    }
  }
  return true;
}

}  // namespace millrace::dataflow
