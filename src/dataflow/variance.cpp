#include "dataflow/variance.h"

#include <cmath>

namespace millrace::dataflow {

using int128 = batch::int128;
using plan::AggregateKind;

namespace {

/// `squares`: the sum of the squared distances of `count` values from their mean.
bool finish(AggregateKind kind, int64_t count, long double squares, Cell& cell) {
  const bool of_sample = kind == AggregateKind::kVarSamp || kind == AggregateKind::kStddevSamp;
  const bool root = kind == AggregateKind::kStddevSamp || kind == AggregateKind::kStddevPop;
  cell.null = count < (of_sample ? 2 : 1);
  if (cell.null) return true;
  auto result = static_cast<double>(count == 1 ? 0 : squares / static_cast<long double>(of_sample ? count - 1 : count));
  if (root) result = std::sqrt(result);
  std::memcpy(cell.bytes, &result, sizeof result);
  return std::isfinite(result);
}

}  // namespace

void add_to_variance(FloatVarianceState& state, double value, int64_t copies) {
  for (int64_t copy = 0; copy < copies; ++copy) {
    ++state.count;
    const double mean = state.mean + (value - state.mean) / static_cast<double>(state.count);
    state.squares += (value - mean) * (value - state.mean);
    state.mean = mean;
  }
}

bool variance(const Accumulator& accumulator, const FloatVarianceState& state, Cell& cell) {
  return finish(accumulator.kind, state.count, static_cast<long double>(state.squares), cell);
}

/// Around q, the mean rounded down, with sum = q n + r: the squares around q are squares - q (sum + r), exact, and
/// those around the mean r² / n less. The sum of 64-bit numbers fits in 128 bits.
bool variance(const Accumulator& accumulator, const ExactVarianceState& state, Cell& cell) {
  const int64_t count = state.sum.count;
  if (count == 0) return finish(accumulator.kind, 0, 0, cell);
  const int128 sum = sum_of(state.sum);
  int128 q = sum / count;
  if (sum % count < 0) --q;
  const int128 r = sum - q * count;
  SumState around = state.squares;
  add_to_sum(around, -(sum + r), static_cast<int64_t>(q));
  const auto remainder = static_cast<long double>(r);
  long double squares =
      std::ldexp(static_cast<long double>(around.overflows), 128) + static_cast<long double>(sum_of(around));
  squares -= remainder * remainder / static_cast<long double>(count);
  const batch::Type& type = accumulator.argument_type;
  if (type.id() == batch::TypeId::kDecimal) squares /= std::pow(10.0L, 2 * type.decimal_scale());
  return finish(accumulator.kind, count, squares, cell);
}

}  // namespace millrace::dataflow
