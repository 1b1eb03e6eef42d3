#include "dataflow/fast_calls.h"

#include "dataflow/distinct_values.h"
#include "dataflow/extremes.h"
#include "dataflow/first_value.h"
#include "dataflow/listed_values.h"

namespace millrace::dataflow {

namespace {

constexpr size_t kCallsWithTablesMax = 120;

/// Of a call whose result is made of its rows' values.
std::unique_ptr<CallTables> make_beside_rows(const Accumulator& accumulator, const plan::AggregateCall& call,
                                             const plan::Node& input) {
  if (accumulator.kind == plan::AggregateKind::kFirst || accumulator.kind == plan::AggregateKind::kLast)
    return std::make_unique<FirstValue>(accumulator, input);
  return std::make_unique<ListedValues>(accumulator, call.separator, input);
}

}  // namespace

Result<FastCalls> FastCalls::make(const std::vector<plan::AggregateCall>& calls, const plan::Node& input,
                                  bool groups_end) {
  FastCalls made;
  MR_ASSIGN(made.accumulators, make_accumulators(calls, input.output, made.value_length));
  made.beside.resize(calls.size());
  add_distinct_values(made.accumulators, input, groups_end, made.beside);
  for (size_t i = 0; i < calls.size(); ++i) {
    const Accumulator& accumulator = made.accumulators[i];
    if (is_append_only(accumulator.state) && !input.append_only) {
      return internal_error("a call that takes no retractions was planned as fast over a changing input: " +
                            calls[i].text);
    }
    if (accumulator.state == StateKind::kExtreme) {
      MR_ASSIGN(made.beside[i], Extremes::make(accumulator, input.append_only));
    }
    if (accumulator.state == StateKind::kFirst) made.beside[i] = make_beside_rows(accumulator, calls[i], input);
    if (made.beside[i] && i >= kCallsWithTablesMax)
      return user_error(sqlstate::kTooLarge, "too many aggregates in one SELECT: more than 120");
    if (made.gives_bytes(i)) made.bytes_calls.push_back(i);
  }
  return made;
}

void FastCalls::update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) {
  for (size_t i = 0; i < accumulators.size(); ++i) {
    if (beside[i]) {
      beside[i]->update(batch, states, keys);
    } else if (!accumulators[i].distinct) {
      accumulate(accumulators[i], batch, states);
    }
  }
}

Status FastCalls::settle(uint64_t hash, std::string_view key, char* value) {
  for (auto& tables : beside) {
    if (tables) MR_TRY(tables->settle(hash, key, value));
  }
  return {};
}

bool FastCalls::results(const char* value, std::vector<Cell>& cells) const {
  bool fits = true;
  for (size_t i = 0; i < accumulators.size(); ++i) {
    cells[i] = Cell{};
    fits &= result_of(accumulators[i], value, cells[i]);
  }
  return fits;
}

void FastCalls::write_cells(const std::vector<Cell>& cells, batch::Batch& batch, size_t row,
                            size_t first_column) const {
  for (size_t i = 0; i < cells.size(); ++i) {
    batch::MutableColumn column = batch.mutable_column(first_column + i);
    if (cells[i].null) {
      column.set_null(row);
    } else if (!gives_bytes(i)) {
      const size_t width = accumulators[i].result.width();
      std::memcpy(column.values<char>() + row * width, cells[i].bytes, width);
    }
  }
}

void FastCalls::forget(uint64_t hash, std::string_view key) {
  for (auto& tables : beside) {
    if (tables) tables->forget(hash, key);
  }
}

Status FastCalls::finish_step() {
  for (auto& tables : beside) {
    if (tables) MR_TRY(tables->finish_step());
  }
  return {};
}

void FastCalls::add_tables(OperatorId id, uint8_t first_slot, std::vector<state::TableRef>& tables) {
  for (size_t i = 0; i < beside.size(); ++i) {
    if (!beside[i]) continue;
    const std::array<state::Table*, 2> two = beside[i]->tables();
    for (size_t j = 0; j < two.size(); ++j)
      tables.push_back({{id, static_cast<uint8_t>(first_slot + 2 * i + j)}, two[j]});
  }
}

}  // namespace millrace::dataflow
