// How a window of time is called in FROM: its relation, time column and lengths. Private to sql/.
#pragma once

#include <string>
#include <vector>

#include "duckdb/common/types/interval.hpp"
#include "duckdb/function/table_function.hpp"
#include "duckdb/main/client_context.hpp"

namespace millrace::sql {

/// Of an interval without months, in µs.
int64_t fixed_micros(const duckdb::interval_t& interval);
/// The interval as SQL.
std::string interval_text(const duckdb::interval_t& interval);
/// What is wrong with a call throws BindFailure.
void require_window(bool holds, const std::string& message, const std::string& hint);

struct WindowCall {
  std::string table;
  std::string time;  // an expression
  std::vector<duckdb::interval_t> lengths;
  std::string offset;

  std::string call(const char* function, const duckdb::interval_t& size) const {
    return std::string(function) + "(" + time + ", " + interval_text(size) + ", " + offset + ")";
  }
  std::string call(const char* function, const duckdb::interval_t& size, const duckdb::interval_t& step) const {
    return std::string(function) + "(" + time + ", " + interval_text(size) + ", " + offset + ", " +
           interval_text(step) + ")";
  }
};

/// (table [, column], lengths… [, offset]); `lengths`: what each of them is called, in order.
WindowCall read_window_call(duckdb::ClientContext& context, duckdb::TableFunctionBindInput& input,
                            const std::string& function, const std::vector<std::string>& lengths);

}  // namespace millrace::sql
