// The Translator's DISTINCT.
#include <algorithm>

#include "duckdb/planner/operator/list.hpp"
#include "sql/translate.h"

namespace millrace::sql {

uint32_t Translator::distinct_rows(uint32_t input, size_t columns) {
  plan::DistinctOn distinct;
  plan::Node made = nodes_[input];
  for (uint32_t i = 0; i < columns; ++i) distinct.key_columns.push_back(i);
  made.key = distinct.key_columns;
  made.inputs = {input};
  made.operation = std::move(distinct);
  return add(std::move(made));
}

uint32_t Translator::distinct(duckdb::LogicalDistinct& op, Needs needs) {
  if (op.distinct_type == duckdb::DistinctType::DISTINCT) {
    uint32_t input = without_hidden(translate(*op.children[0], Needs{}));
    return distinct_rows(input, visible(input));
  }
  needs.order = true;
  uint32_t input = translate(*op.children[0], needs);
  size_t columns = visible(input);
  PreProjection pre(*this, input);
  plan::DistinctOn distinct;
  for (auto& target : op.distinct_targets) distinct.key_columns.push_back(pre.column(*target));
  // The ORDER BY starts with the keys, which are equal within a group: only what follows decides.
  if (op.order_by) {
    duckdb::vector<duckdb::BoundOrderByNode> deciding;
    for (auto& order : op.order_by->orders) {
      bool is_key = std::any_of(op.distinct_targets.begin(), op.distinct_targets.end(),
                                [&](auto& target) { return target->Equals(*order.expression); });
      if (!is_key) deciding.push_back(order.Copy());
    }
    if (!deciding.empty()) distinct.sort_key = static_cast<int32_t>(pre.column(*sort_key(deciding)));
  }
  uint32_t ready = pre.finish();
  std::vector<uint32_t> kept(columns);
  for (uint32_t i = 0; i < columns; ++i) kept[i] = i;
  return keep(first_rows(std::move(distinct), ready), kept);
}

}  // namespace millrace::sql
