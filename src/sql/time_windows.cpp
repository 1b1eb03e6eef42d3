#include "sql/time_windows.h"

#include <vector>

#include "base/text.h"
#include "duckdb/function/table_function.hpp"
#include "duckdb/parser/parsed_data/create_scalar_function_info.hpp"
#include "duckdb/parser/parsed_data/create_table_function_info.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"
#include "sql/bind.h"
#include "sql/bind_failure.h"
#include "sql/relation_function.h"
#include "sql/session_window.h"
#include "sql/window_call.h"

namespace millrace::sql {
namespace {

using duckdb::interval_t;
using duckdb::LogicalType;
using duckdb::timestamp_t;

constexpr const char* kStart = "millrace_window_start";
constexpr const char* kEnd = "millrace_window_end";
constexpr const char* kHopStarts = "millrace_hop_starts";
constexpr const char* kHopEnds = "millrace_hop_ends";
constexpr const char* kCumulateEnds = "millrace_cumulate_ends";

/// A row in more windows than this is a mistake in the sizes.
constexpr int64_t kWindowsOfRowMax = 10000;

/// Start of the window of `size` µs that holds `ts`, aligned to the epoch plus `offset`.
int64_t window_start(int64_t ts, int64_t size, int64_t offset) {
  int64_t remainder = (ts - offset) % size;
  if (remainder < 0) remainder += size;
  return ts - remainder;
}

// ---- the bounds

template <bool kWantsEnd>
void run_bound(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::TernaryExecutor::Execute<timestamp_t, interval_t, interval_t, timestamp_t>(
      arguments.data[0], arguments.data[1], arguments.data[2], result, arguments.size(),
      [](timestamp_t ts, interval_t size, interval_t offset) {
        if (!duckdb::Timestamp::IsFinite(ts)) return ts;
        int64_t start = window_start(ts.value, fixed_micros(size), fixed_micros(offset));
        return timestamp_t(kWantsEnd ? start + fixed_micros(size) : start);
      });
}

/// Sizes of the windows of one call, in µs.
struct WindowSizes {
  int64_t size = 0;
  int64_t offset = 0;
  int64_t step = 0;
};

/// Windows of `size` that begin every `step`: those that hold ts, the earliest first.
struct HopBounds {
  bool ends = false;
  template <typename Put>
  void operator()(int64_t ts, const WindowSizes& of, Put put) const {
    int64_t last = window_start(ts, of.step, of.offset);
    for (int64_t start = last - (of.size - 1 - (ts - last)) / of.step * of.step; start <= last; start += of.step) {
      if (ts - start < of.size) put(ends ? start + of.size : start);
    }
  }
};

/// Windows that begin together every `size` and end every `step`: the ends behind ts.
struct CumulateEnds {
  template <typename Put>
  void operator()(int64_t ts, const WindowSizes& of, Put put) const {
    int64_t start = window_start(ts, of.size, of.offset);
    for (int64_t end = start + (ts - start) / of.step * of.step + of.step; end <= start + of.size; end += of.step) {
      put(end);
    }
  }
};

/// A list of bounds for each row; [ts] when ts is NULL or infinite.
template <typename Bounds>
void make_lists(duckdb::DataChunk& arguments, duckdb::Vector& result, Bounds bounds) {
  duckdb::idx_t rows = arguments.size();
  duckdb::UnifiedVectorFormat formats[4];
  for (size_t i = 0; i < 4; ++i) arguments.data[i].ToUnifiedFormat(rows, formats[i]);
  auto micros = [&](size_t argument, duckdb::idx_t row) {
    auto values = duckdb::UnifiedVectorFormat::GetData<interval_t>(formats[argument]);
    return fixed_micros(values[formats[argument].sel->get_index(row)]);
  };
  auto times = duckdb::UnifiedVectorFormat::GetData<timestamp_t>(formats[0]);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
  duckdb::idx_t total = 0;
  auto put = [&](int64_t bound, bool valid) {
    if (total >= duckdb::ListVector::GetListCapacity(result)) duckdb::ListVector::Reserve(result, total * 2 + 64);
    duckdb::Vector& child = duckdb::ListVector::GetEntry(result);
    duckdb::FlatVector::GetData<timestamp_t>(child)[total] = timestamp_t(bound);
    duckdb::FlatVector::Validity(child).Set(total, valid);
    ++total;
  };
  for (duckdb::idx_t row = 0; row < rows; ++row) {
    duckdb::idx_t at = formats[0].sel->get_index(row);
    bool valid = formats[0].validity.RowIsValid(at);
    duckdb::idx_t begin = total;
    if (valid && duckdb::Timestamp::IsFinite(times[at])) {
      WindowSizes sizes{micros(1, row), micros(2, row), micros(3, row)};
      bounds(times[at].value, sizes, [&](int64_t bound) { put(bound, true); });
    } else {
      put(valid ? times[at].value : 0, valid);
    }
    entries[row] = {begin, total - begin};
  }
  duckdb::ListVector::SetListSize(result, total);
  if (arguments.AllConstant()) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

template <bool kWantsEnds>
void run_hop(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  make_lists(arguments, result, HopBounds{kWantsEnds});
}

void run_cumulate(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  make_lists(arguments, result, CumulateEnds{});
}

// ---- the table functions

duckdb::unique_ptr<duckdb::TableRef> with_bounds(const WindowCall& call, const std::string& start,
                                                 const std::string& end) {
  auto select = parse_select("SELECT *, " + start + " AS window_start, " + end + " AS window_end FROM " +
                             quote_identifier(call.table));
  return duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), call.table);
}

/// tumble(t [, ts], size [, offset])
duckdb::unique_ptr<duckdb::TableRef> replace_tumble(duckdb::ClientContext& context,
                                                    duckdb::TableFunctionBindInput& input) {
  WindowCall call = read_window_call(context, input, "tumble", {"size"});
  return with_bounds(call, call.call(kStart, call.lengths[0]), call.call(kEnd, call.lengths[0]));
}

/// hop(t [, ts], slide, size [, offset])
duckdb::unique_ptr<duckdb::TableRef> replace_hop(duckdb::ClientContext& context,
                                                 duckdb::TableFunctionBindInput& input) {
  WindowCall call = read_window_call(context, input, "hop", {"slide", "size"});
  const interval_t& slide = call.lengths[0];
  const interval_t& size = call.lengths[1];
  require_window(fixed_micros(size) / fixed_micros(slide) < kWindowsOfRowMax,
          "each row would be in more than " + std::to_string(kWindowsOfRowMax) + " windows",
          "hop(t, ts, slide, size): make the slide longer or the size shorter");
  return with_bounds(call, "unnest(" + call.call(kHopStarts, size, slide) + ")",
                     "unnest(" + call.call(kHopEnds, size, slide) + ")");
}

/// cumulate(t [, ts], step, size [, offset])
duckdb::unique_ptr<duckdb::TableRef> replace_cumulate(duckdb::ClientContext& context,
                                                      duckdb::TableFunctionBindInput& input) {
  WindowCall call = read_window_call(context, input, "cumulate", {"step", "size"});
  const interval_t& step = call.lengths[0];
  const interval_t& size = call.lengths[1];
  require_window(fixed_micros(size) % fixed_micros(step) == 0, "the size of cumulate must be a multiple of its step",
          "cumulate(t, ts, step, size): windows end every step, the last one after size");
  require_window(fixed_micros(size) / fixed_micros(step) <= kWindowsOfRowMax,
          "each row would be in more than " + std::to_string(kWindowsOfRowMax) + " windows",
          "cumulate(t, ts, step, size): make the step longer or the size shorter");
  return with_bounds(call, call.call(kStart, size), "unnest(" + call.call(kCumulateEnds, size, step) + ")");
}

void register_table_function(duckdb::ClientContext& context, const char* name, size_t lengths,
                             duckdb::table_function_bind_replace_t replace) {
  duckdb::TableFunctionSet set(name);
  for (bool with_column : {true, false}) {
    for (bool with_offset : {true, false}) {
      duckdb::vector<LogicalType> arguments{LogicalType::VARCHAR};
      if (with_column) arguments.push_back(LogicalType::VARCHAR);
      arguments.insert(arguments.end(), lengths + (with_offset ? 1 : 0), LogicalType::INTERVAL);
      duckdb::TableFunction function(arguments, nullptr, nullptr);
      function.bind_replace = replace;
      set.AddFunction(function);
    }
  }
  duckdb::CreateTableFunctionInfo info(set);
  context.RegisterFunction(info);
}

void register_scalar(duckdb::ClientContext& context, duckdb::ScalarFunction function) {
  duckdb::CreateScalarFunctionInfo info(std::move(function));
  context.RegisterFunction(info);
}

}  // namespace

WindowBoundKind window_bound_kind(const duckdb::BoundFunctionExpression& function) {
  const std::string& name = function.function.name;
  if (name == kStart || name == kHopStarts) return WindowBoundKind::kStart;
  if (name == kEnd || name == kHopEnds || name == kCumulateEnds) return WindowBoundKind::kEnd;
  return WindowBoundKind::kNone;
}

bool is_time_window(const std::string& name) {
  return iequals(name, "tumble") || iequals(name, "hop") || iequals(name, "cumulate") || iequals(name, "session");
}

void register_time_windows(duckdb::ClientContext& context) {
  register_table_function(context, "tumble", 1, replace_tumble);
  register_table_function(context, "hop", 2, replace_hop);
  register_table_function(context, "cumulate", 2, replace_cumulate);
  register_session_window(context);
  const duckdb::vector<LogicalType> one{LogicalType::TIMESTAMP, LogicalType::INTERVAL, LogicalType::INTERVAL};
  duckdb::vector<LogicalType> stepped = one;
  stepped.push_back(LogicalType::INTERVAL);
  const LogicalType list = LogicalType::LIST(LogicalType::TIMESTAMP);
  register_scalar(context, duckdb::ScalarFunction(kStart, one, LogicalType::TIMESTAMP, run_bound<false>));
  register_scalar(context, duckdb::ScalarFunction(kEnd, one, LogicalType::TIMESTAMP, run_bound<true>));
  duckdb::ScalarFunction lists[] = {duckdb::ScalarFunction(kHopStarts, stepped, list, run_hop<false>),
                                    duckdb::ScalarFunction(kHopEnds, stepped, list, run_hop<true>),
                                    duckdb::ScalarFunction(kCumulateEnds, stepped, list, run_cumulate)};
  for (duckdb::ScalarFunction& function : lists) {
    function.null_handling = duckdb::FunctionNullHandling::SPECIAL_HANDLING;
    register_scalar(context, std::move(function));
  }
}

}  // namespace millrace::sql
