// Variances and standard deviations from running states (dataflow/accumulator.h). Results may differ from those that
// DuckDB computes over the same rows in their last digits: it adds rounded numbers, in an order of its own.
#pragma once

#include "dataflow/accumulator.h"

namespace millrace::dataflow {

/// Adds `value`, `copies` (> 0) times.
void add_to_variance(FloatVarianceState& state, double value, int64_t copies);

/// NULL for too few values. False when it is infinite or no number, which DuckDB refuses.
bool variance(const Accumulator& accumulator, const FloatVarianceState& state, Cell& cell);
bool variance(const Accumulator& accumulator, const ExactVarianceState& state, Cell& cell);

}  // namespace millrace::dataflow
