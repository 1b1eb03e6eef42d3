#include "sql/window_call.h"

#include "base/text.h"
#include "sql/bind.h"
#include "sql/bind_failure.h"
#include "sql/relation_function.h"

namespace millrace::sql {

using duckdb::interval_t;

constexpr int64_t kMicrosPerDay = 86400000000;

int64_t fixed_micros(const interval_t& interval) { return interval.micros + interval.days * kMicrosPerDay; }

std::string interval_text(const interval_t& interval) {
  return "INTERVAL '" + std::to_string(fixed_micros(interval)) + " microseconds'";
}

void require_window(bool holds, const std::string& message, const std::string& hint) {
  if (!holds) throw BindFailure(user_error(sqlstate::kInvalidParameter, message).with_hint(hint));
}

namespace {

interval_t positive_interval(const duckdb::Value& value, const std::string& what) {
  interval_t interval = value.IsNull() ? interval_t{} : value.GetValue<interval_t>();
  require_window(interval.months == 0 && fixed_micros(interval) > 0,
                 "the " + what + " must be a positive, fixed length of time",
                 "months and years have no fixed length; write days, hours, minutes or seconds");
  return interval;
}

/// The column named in the call, else the one that carries the relation's watermark.
std::string time_column(duckdb::ClientContext& context, const std::string& function, const std::string& table,
                        const duckdb::Value* given) {
  if (given) return given->GetValue<std::string>();
  RelationInfo relation = find_relation(context, table);
  if (relation.watermark_column >= 0) return relation.schema[relation.watermark_column].name;
  require_window(relation.has_positions(), function + " needs a time column: " + table + " has no watermark",
                 "write " + function + "(" + table + ", <column>, …)");
  return "_append_time";
}

}  // namespace

WindowCall read_window_call(duckdb::ClientContext& context, duckdb::TableFunctionBindInput& input,
                            const std::string& function, const std::vector<std::string>& lengths) {
  const auto& arguments = input.inputs;
  WindowCall call;
  call.table = arguments[0].GetValue<std::string>();
  bool column_given = arguments[1].type().id() == duckdb::LogicalTypeId::VARCHAR;
  std::string column = time_column(context, function, call.table, column_given ? &arguments[1] : nullptr);
  call.time = quote_identifier(column) + "::TIMESTAMP";
  size_t first = column_given ? 2 : 1;
  for (size_t i = 0; i < lengths.size(); ++i) {
    call.lengths.push_back(positive_interval(arguments[first + i], lengths[i] + " of " + function));
  }
  interval_t offset{};
  if (arguments.size() > first + lengths.size()) {
    offset = arguments.back().GetValue<interval_t>();
    require_window(offset.months == 0, "the offset of " + function + " must be a fixed length of time",
                   "months and years have no fixed length; write days, hours, minutes or seconds");
  }
  call.offset = interval_text(offset);
  return call;
}

}  // namespace millrace::sql
