// The QueryGenerator's operators over columns of any type: floats with NaN and infinities, wide decimals, times,
// booleans, texts. What a float is must not depend on the order of additions, and its zero's sign must not be seen.
#include <algorithm>

#include "query_generator.h"

namespace millrace::test {
namespace {

std::string from(const Query& in) { return " FROM (" + in.sql + ") AS q"; }

/// The pattern with the column's name for every $.
std::string fill(std::string pattern, const std::string& name) {
  for (size_t at = 0; (at = pattern.find('$', at)) != std::string::npos; at += name.size()) {
    pattern.replace(at, 1, name);
  }
  return pattern;
}

struct Call {
  const char* text;
  char type;
};

/// What may be added up, compared or counted, for each type.
std::vector<Call> fast_calls(char type) {
  switch (type) {
    case 'd': return {{"min($)", 'd'}, {"max($)", 'd'}, {"sum($)", 'd'}, {"avg($) > 0.5", 'b'}, {"count($)", 'i'}};
    case 'm': return {{"min($)", 'm'}, {"max($)", 'm'}, {"sum($)", 'm'}, {"avg($) < 10", 'b'}, {"count($)", 'i'}};
    case 'b': return {{"min($)", 'b'}, {"max($)", 'b'}, {"count($)", 'i'}};
    case 'i': return {{"min($)", 'i'}, {"max($)", 'i'}, {"count($)", 'i'}};
    default: return {{"min($)", type}, {"max($)", type}, {"count($)", 'i'}};
  }
}

std::vector<Call> general_calls(char type) {
  switch (type) {
    case 'd': return {{"count(DISTINCT $)", 'i'}, {"quantile_disc($, 0.25)", 'd'}, {"sum(DISTINCT $)", 'd'}};
    case 'm': return {{"count(DISTINCT $)", 'i'}, {"median($) > 3", 'b'}, {"first($ ORDER BY $)", 'm'}};
    case 'b': return {{"bool_and($)", 'b'}, {"bool_or($)", 'b'}};
    case 's': return {{"string_agg($, ',' ORDER BY $)", 's'}, {"count(DISTINCT $)", 'i'}};
    default: return {{"count(DISTINCT $)", 'i'}, {"last($ ORDER BY $)", type}, {"quantile_disc($, 0.5)", type}};
  }
}

std::vector<Call> scalars(char type) {
  switch (type) {
    case 'd': return {{"$ + 1.5", 'd'}, {"CASE WHEN isnan($) THEN 2 ELSE $ END", 'd'}, {"$ >= 1", 'b'}};
    case 'm': return {{"$ + 1", 'm'}, {"abs($)", 'm'}, {"coalesce($, 0)", 'm'}, {"$ > 100", 'b'}};
    case 't': return {{"$ + INTERVAL 1 HOUR", 't'}, {"date_trunc('hour', $)", 't'}, {"minute($)", 'i'}};
    case 'b': return {{"NOT $", 'b'}, {"$ IS NULL", 'b'}, {"CAST($ AS INTEGER)", 'i'}};
    case 's': return {{"length($)", 'i'}, {"$ || 'é'", 's'}, {"nullif($, '')", 's'}, {"$ < 'b'", 'b'}};
    default:
      return {{"$ % 2 = 0", 'b'}, {"CAST($ % 100 AS DOUBLE) / 4", 'd'}, {"CAST($ % 1000 AS DECIMAL(38,2))", 'm'}};
  }
}

}  // namespace

std::string QueryGenerator::typed_predicate(const Column& column) {
  static const std::vector<const char*> kAny = {"$ IS NULL", "$ IS NOT NULL", "$ = $", "$ IS DISTINCT FROM NULL"};
  std::vector<const char*> tests = kAny;
  switch (column.type) {
    case 'd': tests = {"$ > 0.5", "isnan($) IS NOT TRUE", "$ IS NULL OR $ <= 2", "$ < 'Infinity'", "$ = 0"}; break;
    case 'm': tests = {"$ > 10", "abs($) < 1000", "$ <> 0"}; break;
    case 't': tests = {"$ >= TIMESTAMP '2025-02-19 21:24:00'", "$ = TIMESTAMP '2025-02-19 21:22:00'"}; break;
    case 'b': tests = {"$", "NOT $", "$ IS NOT TRUE"}; break;
    case 's': tests = {"$ <> ''", "$ LIKE '%語%' OR $ < 'c'", "length($) = 1"}; break;
    default: break;
  }
  return fill(tests[pick(tests.size())], column.name);
}

std::string QueryGenerator::condition(const Query& query) {
  const std::string one = chance(0.5) ? predicate(query) : typed_predicate(query.columns[pick(query.columns.size())]);
  return chance(0.3) ? "(" + one + ") AND (" + predicate(query) + ")" : one;
}

Query QueryGenerator::typed_filter(Query in) {
  const Column& column = in.columns[pick(in.columns.size())];
  return {"SELECT " + all_columns(in) + from(in) + " WHERE " + typed_predicate(column), in.columns, in.depth + 1};
}

Query QueryGenerator::typed_project(Query in) {
  const Column column = some_keys(in).back();
  const auto calls = scalars(column.type);
  const Call& call = calls[pick(calls.size())];
  Query out{"SELECT " + all_columns(in), in.columns, in.depth + 1};
  out.columns.push_back({fresh(), call.type});
  out.sql += ", " + fill(call.text, column.name) + " AS " + out.columns.back().name + from(in);
  return out;
}

Query QueryGenerator::typed_aggregate(Query in) {
  const auto keys = chance(0.7) ? some_keys(in) : std::vector<Column>();
  Query out{"SELECT ", keys, in.depth + 1};
  std::string group;
  for (const Column& key : keys) group += (group.empty() ? "" : ", ") + key.name;
  if (!keys.empty()) out.sql += group + ", ";
  for (size_t i = 0; i < 3; ++i) {
    const auto arguments = some_keys(in);
    const Column& argument = arguments[pick(arguments.size())];
    const auto calls = fast_calls(argument.type);
    const Call& call = calls[pick(calls.size())];
    const std::string name = fresh();
    out.sql += (i == 0 ? "" : ", ") + fill(call.text, argument.name) + " AS " + name;
    out.columns.push_back({name, call.type});
  }
  out.sql += from(in);
  if (!keys.empty()) out.sql += " GROUP BY " + group;
  return out;
}

Query QueryGenerator::typed_general_aggregate(Query in) {
  const auto keys = some_keys(in);
  const Column& argument = keys[pick(keys.size())];
  const auto calls = general_calls(argument.type);
  const Call& call = calls[pick(calls.size())];
  const std::string name = fresh();
  Query out{"SELECT ", {}, in.depth + 1};
  if (chance(0.8)) out.columns.push_back(keys[0]);
  if (!out.columns.empty()) out.sql += keys[0].name + ", ";
  out.sql += fill(call.text, argument.name) + " AS " + name + from(in);
  if (!out.columns.empty()) out.sql += " GROUP BY " + keys[0].name;
  out.columns.push_back({name, call.type});
  return out;
}

/// Over columns of one type, which is an integer only when there is no other.
Query QueryGenerator::typed_join(Query in, int depth) {
  Query other = generate(std::max(0, depth - 1));
  std::vector<std::pair<Column, Column>> pairs;
  for (const Column& left : in.columns) {
    for (const Column& right : other.columns) {
      if (left.type == right.type && left.type != 'l' && left.type != 'b') pairs.emplace_back(left, right);
    }
  }
  if (pairs.empty()) return typed_filter(std::move(in));
  std::stable_partition(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first.type != 'i'; });
  const auto& [left, right] = pairs[pick(std::min<size_t>(pairs.size(), 3))];
  static const char* const kTypes[] = {" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " SEMI JOIN ",
                                       " ANTI JOIN "};
  const size_t type = pick(std::size(kTypes));
  const std::string comparison = chance(0.7) ? " = " : " IS NOT DISTINCT FROM ";
  const std::string second = chance(0.5) ? ", " + other.columns[0].name + " AS z" : "";
  const std::string name = fresh();
  std::string columns;
  for (const Column& column : in.columns) columns += (columns.empty() ? "a." : ", a.") + column.name;
  Query out{"SELECT " + columns, in.columns, std::max(in.depth, other.depth) + 2};
  if (type < 4) {
    out.sql += ", b." + right.name + " AS " + name;
    out.columns.push_back({name, right.type});
  }
  // Without DISTINCT two wide sides can multiply without bound.
  out.sql += " FROM (" + in.sql + ") AS a" + kTypes[type] + "(SELECT DISTINCT " + right.name + second + from(other) +
             ") AS b ON a." + left.name + comparison + "b." + right.name;
  return out;
}

Query QueryGenerator::typed_set(Query in) {
  static const char* const kWords[] = {" INTERSECT ", " INTERSECT ALL ", " EXCEPT ", " EXCEPT ALL ", " UNION "};
  const auto keys = some_keys(in);
  std::string columns;
  for (const Column& key : keys) columns += (columns.empty() ? "" : ", ") + key.name;
  const auto side = [&](const std::string& test) { return "(SELECT " + columns + from(in) + " WHERE " + test + ")"; };
  const Column& tested = in.columns[pick(in.columns.size())];
  return {side(typed_predicate(tested)) + kWords[pick(std::size(kWords))] + side(predicate(in)), keys, in.depth + 1};
}

Query QueryGenerator::typed_window(Query in) {
  static const char* const kCalls[] = {"last_value($)", "first_value($)", "lag($)", "lead($, 2)", "min($)", "max($)"};
  static const char* const kCounts[] = {"count($)", "count(*)", "dense_rank()", "rank()"};
  const auto keys = some_keys(in);
  Column argument = keys[pick(keys.size())];
  const bool is_average = argument.type == 'i' && chance(0.3);
  const bool counts = !is_average && chance(0.3);
  std::string call = counts ? kCounts[pick(std::size(kCounts))] : kCalls[pick(std::size(kCalls))];
  if (is_average) call = "avg($)";
  call = fill(call, argument.name) + " OVER (PARTITION BY " + keys[0].name + " ORDER BY ";
  // Counts and averages do not depend on the order of peers.
  call += (is_average || counts) && chance(0.5) ? argument.name : all_columns(in);
  call += ")";
  if (is_average) call = "CAST(round(" + call + " * 1000) AS BIGINT)";
  const std::string name = fresh();
  Query out{"SELECT " + all_columns(in) + ", " + call + " AS " + name + from(in), in.columns, in.depth + 1};
  out.columns.push_back({name, counts ? 'i' : argument.type});
  return out;
}

/// Each row with what is last before it, or first behind it, of its own relation. Without keys: with them DuckDB has
/// NULL meet rows (query_generator_joins.cpp).
Query QueryGenerator::typed_asof(Query in) {
  static const char* const kComparisons[] = {">=", ">", "<=", "<"};
  static const char* const kTypes[] = {" ASOF JOIN ", " ASOF LEFT JOIN "};
  const auto keys = some_keys(in);
  const Column place = keys[pick(keys.size())];
  if (place.type == 'b') return typed_filter(std::move(in));
  const std::string right = fresh(), count = fresh();
  Query out{"SELECT q.*, s." + right + ", s." + count + from(in) + kTypes[pick(2)] + "(SELECT " + place.name + " AS " +
                right + ", count(*) AS " + count + from(in) + " GROUP BY " + place.name + ") AS s ON q." + place.name +
                " " + kComparisons[pick(4)] + " s." + right,
            in.columns, in.depth + 2};
  out.columns.push_back({right, place.type});
  out.columns.push_back({count, 'i'});
  return out;
}

Query QueryGenerator::over_any_type(Query in, int depth) {
  switch (pick(9)) {
    case 0: return typed_filter(std::move(in));
    case 1: return typed_project(std::move(in));
    case 2: return typed_aggregate(std::move(in));
    case 3: return typed_general_aggregate(std::move(in));
    case 4: return typed_set(std::move(in));
    case 5:
    case 6: return typed_window(std::move(in));
    case 7: return typed_asof(std::move(in));
    default: return typed_join(std::move(in), depth);
  }
}

}  // namespace millrace::test
