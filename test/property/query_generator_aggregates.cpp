// The QueryGenerator's GROUP BY.
#include <algorithm>

#include "query_generator.h"

namespace millrace::test {
namespace {

std::string from(const Query& in) { return " FROM (" + in.sql + ") AS q"; }

std::string list_of(const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns) text += (text.empty() ? "" : ", ") + column.name;
  return text;
}

}  // namespace

Query QueryGenerator::aggregate(Query in) {
  auto keys = chance(0.7) ? some_keys(in) : std::vector<Column>();
  auto ints = of_type(in, 'i');
  std::string x = ints.empty() ? "1" : ints[pick(ints.size())].name;
  Query out{"SELECT ", keys, in.depth + 1};
  if (!keys.empty()) out.sql += list_of(keys) + ", ";
  std::string names[4] = {fresh(), fresh(), fresh(), fresh()};
  std::string filter = chance(0.3) ? " FILTER (WHERE " + predicate(in) + ")" : "";
  out.sql += "count(*)" + filter + " AS " + names[0] + ", CAST(sum(" + x + ") AS BIGINT) AS " + names[1] + ", min(" +
             x + ") AS " + names[2] + ", CAST(round(avg(" + x + ") * 1000) AS BIGINT) AS " + names[3] + from(in);
  for (const std::string& name : names) out.columns.push_back({name, 'i'});
  if (!keys.empty()) out.sql += " GROUP BY " + list_of(keys);
  return out;
}

Query QueryGenerator::general_aggregate(Query in) {
  auto keys = chance(0.8) ? some_keys(in) : std::vector<Column>();
  auto ints = of_type(in, 'i');
  std::string x = ints.empty() ? "1" : ints[pick(ints.size())].name;
  std::string a = fresh();
  std::string b = fresh();
  Query out{"SELECT ", keys, in.depth + 1};
  if (!keys.empty()) out.sql += list_of(keys) + ", ";
  switch (pick(3)) {
    case 0:
      out.sql += "count(DISTINCT " + x + ") AS " + a + ", CAST(quantile_disc(" + x + ", 0.5) AS BIGINT) AS " + b;
      out.columns.push_back({a, 'i'});
      out.columns.push_back({b, 'i'});
      break;
    case 1:
      out.sql += "list(" + x + " ORDER BY " + x + " DESC) AS " + a + ", count(" + x + ") AS " + b;
      out.columns.push_back({a, 'l'});
      out.columns.push_back({b, 'i'});
      break;
    default:
      out.sql +=
          "string_agg(CAST(" + x + " AS VARCHAR), '-' ORDER BY " + x + ") AS " + a + ", bit_xor(" + x + ") AS " + b;
      out.columns.push_back({a, 's'});
      out.columns.push_back({b, 'i'});
      break;
  }
  out.sql += from(in);
  if (!keys.empty()) out.sql += " GROUP BY " + list_of(keys);
  return out;
}

/// Calls that keep more than one number, some with a FILTER.
Query QueryGenerator::states_aggregate(Query in) {
  // Floors are taken off the places where rounded results fall on both sides of a whole number.
  static const char* kCalls[] = {"count(DISTINCT X)",
                                 "count(DISTINCT X)",
                                 "CAST(sum(DISTINCT X) AS BIGINT)",
                                 "CAST(floor(avg(DISTINCT X) * 1000 + 0.3141) AS BIGINT)",
                                 "CAST(bool_and(X > 1) AS BIGINT)",
                                 "CAST(bool_or(X > 3) AS BIGINT)",
                                 "CAST(floor(var_samp(X) * 1000 + 0.3141) AS BIGINT)",
                                 "CAST(floor(var_pop(X) * 1000 + 0.3141) AS BIGINT)",
                                 "CAST(floor(stddev_samp(X) * 1000 + 0.3141) AS BIGINT)",
                                 "CAST(floor(stddev_pop(X) * 1000 + 0.3141) AS BIGINT)",
                                 "approx_count_distinct(X)",
                                 "arg_min(X + 1, X)",
                                 "arg_max(X // 2, X)",
                                 "first(X ORDER BY X)",
                                 "last(X ORDER BY X)"};
  const auto keys = chance(0.8) ? some_keys(in) : std::vector<Column>();
  std::vector<Column> arguments = of_type(in, 'i');
  if (arguments.empty()) arguments.push_back({"7", 'i'});
  Query out{"SELECT " + list_of(keys), keys, in.depth + 1};
  for (size_t calls = 2 + pick(3); calls > 0; --calls) {
    std::string call = kCalls[pick(std::size(kCalls))];
    const size_t close = call.find(')', call.find('X'));
    if (chance(0.4)) call.insert(close + 1, " FILTER (WHERE " + predicate(in) + ")");
    const std::string argument = "CAST(" + arguments[pick(arguments.size())].name + " % 100000 AS BIGINT)";
    for (size_t at; (at = call.find('X')) != std::string::npos;) call.replace(at, 1, argument);
    out.columns.push_back({fresh(), 'i'});
    out.sql += (out.columns.size() == 1 ? "" : ", ") + call + " AS " + out.columns.back().name;
  }
  out.sql += from(in);
  if (!keys.empty()) out.sql += " GROUP BY " + list_of(keys);
  return out;
}

Query QueryGenerator::grouping_sets(Query in) {
  std::vector<Column> keys = some_keys(in);
  keys.resize(std::min<size_t>(keys.size(), 3));
  const auto ints = of_type(in, 'i');
  const std::string x = ints.empty() ? "1" : ints[pick(ints.size())].name;
  static const char* kCalls[] = {"count(X)", "max(X)", "count(DISTINCT X)", "quantile_disc(X, 0.5)"};
  std::string call = kCalls[pick(std::size(kCalls))];
  call.replace(call.find('X'), 1, x);
  const std::string a = fresh(), b = fresh();
  Query out{"SELECT " + list_of(keys) + ", CAST(" + call + " AS BIGINT) AS " + a + ", GROUPING(" + list_of(keys) +
                ") AS " + b + from(in) + " GROUP BY ",
            keys, in.depth + 1};
  switch (pick(4)) {
    case 0: out.sql += "ROLLUP (" + list_of(keys) + ")"; break;
    case 1: out.sql += "CUBE (" + list_of(keys) + ")"; break;
    case 2: out.sql += "GROUPING SETS ((" + list_of(keys) + "), (" + keys.back().name + "))"; break;
    default: out.sql += "GROUPING SETS ((" + list_of(keys) + "), (), ())"; break;
  }
  if (chance(0.2)) out.sql += " HAVING GROUPING(" + keys[0].name + ") = 1";
  out.columns.push_back({a, 'i'});
  out.columns.push_back({b, 'i'});
  return out;
}

/// An aggregate without GROUP BY that stands only while its condition holds.
Query QueryGenerator::having(Query in) {
  std::string name = fresh();
  static const char* kConditions[] = {"count(*) < 20", "count(*) = 0", "count(*) > 10", "count(*) % 2 = 0"};
  return {"SELECT count(*) AS " + name + from(in) + " HAVING " + kConditions[pick(std::size(kConditions))],
          {{name, 'i'}},
          in.depth + 2};
}

}  // namespace millrace::test
