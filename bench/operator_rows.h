// Rows and plan nodes for the benchmarks of operators.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "dataflow/operator.h"

namespace millrace::dataflow {

class Nowhere final : public Output {
 public:
  Status push(const batch::Batch& batch) override {
    rows += batch.rows();
    return {};
  }
  uint64_t rows = 0;
};

class NoSide final : public SideOutput {
 public:
  void row_failed(OperatorId, std::string_view, const batch::Batch&, size_t, batch::int128, std::string_view) override {
  }
  void row_late(OperatorId, size_t, const batch::Batch&, size_t, batch::int128) override {}
};

inline batch::Session& session() {
  static auto instance = batch::SqlInstance::open({});
  static batch::Session made(**instance);
  return made;
}

inline plan::Node source(bool append_only) {
  plan::Node node;
  node.operation = plan::Source{};
  const std::pair<const char*, batch::TypeId> columns[] = {
      {"key", batch::TypeId::kBigint},    {"session", batch::TypeId::kVarchar}, {"value", batch::TypeId::kBigint},
      {"state", batch::TypeId::kVarchar}, {"sort", batch::TypeId::kBlob},       {"order", batch::TypeId::kHugeint}};
  for (const auto& [name, id] : columns) node.output.fields.push_back({name, batch::Type(id)});
  node.append_only = append_only;
  node.order_column = 5;
  return node;
}

/// Rows `from` … of an endless series. `keys` different keys, spread over the rows; the session is a text of the key.
inline std::vector<batch::Batch> make_rows(const plan::Node& node, size_t rows, uint64_t keys, size_t from = 0) {
  std::vector<batch::Batch> batches;
  for (size_t first = from; first < from + rows; first += batch::kBatchRows) {
    const size_t count = std::min(batch::kBatchRows, from + rows - first);
    batch::Batch batch(node.output);
    batch.set_rows(count);
    for (size_t row = 0; row < count; ++row) {
      const uint64_t random = mix64(first + row + 1);
      const uint64_t key = random % keys;
      batch.mutable_column(0).set<int64_t>(row, static_cast<int64_t>(key));
      batch.mutable_column(1).set_string(row, "session-" + std::to_string(1000000000 + key));
      batch.mutable_column(2).set<int64_t>(row, static_cast<int64_t>(random >> 40));
      batch.mutable_column(3).set_string(row, random & 256 ? "playing" : "paused");
      char sort[9] = {1};
      const uint64_t big = __builtin_bswap64(first + row);
      std::memcpy(sort + 1, &big, sizeof big);
      batch.mutable_column(4).set_string(row, {sort, sizeof sort});
      batch.mutable_column(5).set<batch::int128>(row, static_cast<batch::int128>(first + row) << 64);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

inline plan::Node over(const plan::Node& input, plan::Operation operation, const std::vector<uint32_t>& columns,
                const std::vector<batch::Type>& results = {}) {
  plan::Node node;
  node.id = OperatorId(1);
  node.operation = std::move(operation);
  for (uint32_t column : columns) node.output.fields.push_back(input.output[column]);
  for (const batch::Type& type : results) node.output.fields.push_back({"result", type});
  node.append_only = false;
  return node;
}

inline plan::AggregateCall call(plan::AggregateKind kind, int32_t argument, batch::TypeId result) {
  plan::AggregateCall made;
  made.kind = kind;
  made.argument = argument;
  made.result = batch::Type(result);
  return made;
}

/// count(*), sum and max by the BIGINT key.
inline plan::Node aggregate_over(const plan::Node& input) {
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {call(plan::AggregateKind::kCountStar, -1, batch::TypeId::kBigint),
                     call(plan::AggregateKind::kSum, 2, batch::TypeId::kHugeint),
                     call(plan::AggregateKind::kMax, 2, batch::TypeId::kBigint)};
  return over(
      input, aggregate, {0},
      {batch::Type(batch::TypeId::kBigint), batch::Type(batch::TypeId::kHugeint), batch::Type(batch::TypeId::kBigint)});
}

/// The first row of each session.
inline plan::Node distinct_over(const plan::Node& input) {
  plan::DistinctOn distinct;
  distinct.key_columns = {1};
  return over(input, distinct, {0, 1, 2, 3, 4, 5});
}

/// lead(value) OVER (PARTITION BY session ORDER BY sort).
inline plan::Node lead_over(const plan::Node& input) {
  plan::Window window;
  window.partition_columns = {1};
  window.sort_key = 4;
  plan::WindowCall lead;
  lead.kind = plan::WindowKind::kLead;
  lead.argument = 2;
  lead.result = batch::Type(batch::TypeId::kBigint);
  window.calls = {lead};
  plan::Node node = over(input, window, {0, 1, 2, 3, 4}, {lead.result});
  node.output.fields.push_back(input.output[5]);
  node.order_column = 6;
  return node;
}

/// By the BIGINT key; both inputs have the columns of source().
inline plan::Node join_over(const plan::Node& input, plan::JoinType type) {
  plan::Join join;
  join.type = type;
  join.left_keys = {0};
  join.right_keys = {0};
  join.null_equals_null = {false};
  join.left_output = {0, 2};
  join.right_output = {1};
  return over(input, join, {0, 2, 1});
}

/// The first ten by the sort key, of each of `partition_columns`.
inline plan::Node top_ten_over(const plan::Node& input, std::vector<uint32_t> partition_columns) {
  plan::TopN top;
  top.partition_columns = std::move(partition_columns);
  top.sort_key = 4;
  top.limit = 10;
  return over(input, top, {0, 1, 2, 3, 4, 5});
}

/// `rows` keys from 0 on, each once.
inline std::vector<batch::Batch> make_table(const plan::Node& node, size_t rows) {
  auto table = make_rows(node, rows, UINT64_MAX);
  int64_t key = 0;
  for (batch::Batch& batch : table) {
    for (size_t row = 0; row < batch.rows(); ++row) batch.mutable_column(0).set<int64_t>(row, key++);
  }
  return table;
}

}  // namespace millrace::dataflow
