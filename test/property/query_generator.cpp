#include "query_generator.h"

#include <algorithm>

namespace millrace::test {
namespace {

std::string from(const Query& in) { return " FROM (" + in.sql + ") AS q"; }

std::string list_of(const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns) text += (text.empty() ? "" : ", ") + column.name;
  return text;
}

}  // namespace

std::vector<Column> QueryGenerator::of_type(const Query& in, char type) const {
  std::vector<Column> found;
  std::copy_if(in.columns.begin(), in.columns.end(), std::back_inserter(found),
               [&](const Column& c) { return c.type == type; });
  return found;
}

std::string QueryGenerator::all_columns(const Query& in) const { return list_of(in.columns); }

std::vector<Column> QueryGenerator::some_keys(const Query& in) {
  std::vector<Column> keys;
  for (const Column& column : in.columns) {
    if (column.type != 'l' && chance(0.4)) keys.push_back(column);
  }
  for (size_t i = 0; keys.empty() && i < in.columns.size(); ++i) {
    if (in.columns[i].type != 'l') keys.push_back(in.columns[i]);
  }
  return keys;
}

std::string QueryGenerator::predicate(const Query& in) {
  auto ints = of_type(in, 'i');
  auto texts = of_type(in, 's');
  if (!texts.empty() && (ints.empty() || chance(0.3))) {
    const std::string& name = texts[pick(texts.size())].name;
    switch (pick(3)) {
      case 0: return name + " <> 'b'";
      case 1: return name + " IS NOT NULL";
      default: return name + " IN ('a', 'c', 'd')";
    }
  }
  if (ints.empty()) return "true";
  const std::string& name = ints[pick(ints.size())].name;
  switch (pick(4)) {
    case 0: return name + " > " + std::to_string(pick(6));
    case 1: return name + " IS NULL OR " + name + " % 3 <> 1";
    case 2: return "coalesce(" + name + ", 0) BETWEEN 1 AND " + std::to_string(3 + pick(40));
    default: return "NOT (" + name + " = " + std::to_string(pick(5)) + ")";
  }
}

std::string QueryGenerator::scalar(const Query& in, char& type) {
  auto ints = of_type(in, 'i');
  auto texts = of_type(in, 's');
  if (!texts.empty() && (ints.empty() || chance(0.3))) {
    const std::string& name = texts[pick(texts.size())].name;
    type = chance(0.5) ? 's' : 'i';
    return type == 's' ? "upper(" + name + ") || '!'" : "length(" + name + ")";
  }
  type = 'i';
  if (ints.empty()) return "7";
  const std::string& a = ints[pick(ints.size())].name;
  const std::string& b = ints[pick(ints.size())].name;
  switch (pick(4)) {
    case 0: return a + " % 5";
    case 1: return "coalesce(" + a + ", " + b + ", 0) % 1000 + 1";
    case 2: return "CASE WHEN " + a + " > " + b + " THEN 1 ELSE 0 END";
    default: return "abs(" + a + ") // 2";
  }
}

void QueryGenerator::add_relation(const std::string& name, const std::vector<Column>& columns) {
  views_.push_back({"SELECT " + list_of(columns) + " FROM " + name, columns, 0});
}

Query QueryGenerator::relation() {
  if (!views_.empty() && chance(0.5)) return views_[pick(views_.size())];
  const bool u = chance(0.3);
  std::vector<Column> columns = {{"id", 'i'}, {"k", 'i'}, {"g", 's'}, {"x", 'i'}, {"l", 'l'}};
  std::vector<Column> more = {{"d", 'd'}, {"m", 'm'}, {"ts", 't'}, {"b", 'b'}};
  if (u) {
    columns = {{"id", 'i'}, {"k", 'i'}, {"name", 's'}, {"w", 'i'}};
    more = {{"d", 'd'}, {"ts", 't'}};
  }
  for (const Column& column : more) {
    if (chance(0.4)) columns.push_back(column);
  }
  return {"SELECT " + list_of(columns) + " FROM " + (u ? "u" : "t"), columns, 0};
}

Query QueryGenerator::filter(Query in) {
  return {"SELECT " + all_columns(in) + from(in) + " WHERE " + predicate(in), in.columns, in.depth + 1};
}

Query QueryGenerator::project(Query in) {
  Query out{"SELECT ", {}, in.depth + 1};
  for (const Column& column : in.columns) {
    if (!chance(0.7) && !out.columns.empty()) continue;
    out.sql += (out.columns.empty() ? "" : ", ") + column.name;
    out.columns.push_back(column);
  }
  char type = 'i';
  std::string expression = scalar(in, type);
  out.columns.push_back({fresh(), type});
  out.sql += ", " + expression + " AS " + out.columns.back().name + from(in);
  return out;
}

Query QueryGenerator::unnest(Query in) {
  auto lists = of_type(in, 'l');
  std::string name = fresh();
  std::string list = lists.empty() ? "[1, NULL, 2]" : lists[pick(lists.size())].name;
  Query out{"SELECT " + all_columns(in) + ", unnest(" + list + ") AS " + name + from(in), in.columns, in.depth + 1};
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::union_all(Query in, int depth) {
  Query other = generate(std::max(0, depth - 1));
  std::string name_int = fresh();
  std::string name_text = fresh();
  auto side = [&](const Query& query) {
    auto ints = of_type(query, 'i');
    auto texts = of_type(query, 's');
    std::string i = ints.empty() ? "CAST(1 AS BIGINT)" : "CAST(" + ints[pick(ints.size())].name + " AS BIGINT)";
    std::string s = texts.empty() ? "'none'" : texts[pick(texts.size())].name;
    return "SELECT " + i + " AS " + name_int + ", " + s + " AS " + name_text + from(query);
  };
  const char* word = chance(0.8) ? " UNION ALL " : " UNION ";
  return {side(in) + word + side(other), {{name_int, 'i'}, {name_text, 's'}}, std::max(in.depth, other.depth) + 1};
}

Query QueryGenerator::distinct(Query in) {
  auto keys = some_keys(in);
  return {"SELECT DISTINCT " + list_of(keys) + from(in), keys, in.depth + 1};
}

Query QueryGenerator::distinct_on(Query in) {
  auto keys = some_keys(in);
  std::string order = list_of(keys);
  for (const Column& column : in.columns) order += ", " + column.name + (chance(0.5) ? " DESC" : "");
  return {"SELECT DISTINCT ON (" + list_of(keys) + ") " + all_columns(in) + from(in) + " ORDER BY " + order, in.columns,
          in.depth + 1};
}

Query QueryGenerator::kernel_window(Query in) {
  auto keys = some_keys(in);
  auto ints = of_type(in, 'i');
  std::string x = ints.empty() ? "1" : ints[pick(ints.size())].name;
  static const char* kCalls[] = {"row_number()",   "rank()",   "dense_rank()", "lead(X)",
                                 "lag(X, 2)",      "count(*)", "sum(X)",       "lead(X, 1, -1)",
                                 "first_value(X)", "count(X)", "min(X)",       "max(X)"};
  std::string call = kCalls[pick(std::size(kCalls))];
  if (size_t at = call.find('X'); at != std::string::npos) call.replace(at, 1, x);
  std::string name = fresh();
  // rank counts peers: order by less than everything sometimes, so that there are some.
  const bool counts = call.find("rank()") != std::string::npos || call[0] == 'c' || call[0] == 's' || call[0] == 'm';
  const bool peers = counts && chance(0.7);
  const bool by_row = !peers && call[0] != 'r' && call[0] != 'd' && call[0] != 'l' && chance(0.4);
  std::string over = " OVER (PARTITION BY " + keys[0].name + " ORDER BY " + (peers ? x : all_columns(in)) +
                     (by_row ? " ROWS UNBOUNDED PRECEDING)" : ")");
  if (call[0] == 's') call = "CAST(" + call, over += " AS BIGINT)";
  Query out{"SELECT " + all_columns(in) + ", " + call + over + " AS " + name + from(in), in.columns, in.depth + 1};
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::top_n(Query in) {
  std::string sql = "SELECT " + all_columns(in) + from(in) + " ORDER BY ";
  for (size_t i = 0; i < in.columns.size(); ++i)
    sql += (i == 0 ? "" : ", ") + in.columns[i].name + (chance(0.3) ? " DESC NULLS FIRST" : "");
  sql += " LIMIT " + std::to_string(1 + pick(12));
  if (chance(0.4)) sql += " OFFSET " + std::to_string(pick(6));
  return {sql, in.columns, in.depth + 1};
}

Query QueryGenerator::ranked(Query in) {
  auto keys = some_keys(in);
  auto ints = of_type(in, 'i');
  const std::string x = ints.empty() ? "1" : ints[pick(ints.size())].name;
  static const char* kCalls[] = {"row_number()", "row_number()", "rank()", "dense_rank()"};
  const std::string call = kCalls[pick(std::size(kCalls))];
  const std::string order = call == "row_number()" ? all_columns(in) : x;
  const std::string descending = chance(0.4) ? " DESC" : "";
  std::string partition = chance(0.8) ? "PARTITION BY " + keys[0].name : "";
  const std::string name = fresh();
  const std::string limit = std::to_string(1 + pick(4));
  const bool shown = chance(0.5);
  static const char* kBounds[] = {" <= ", " < ", " = "};
  const std::string bound = chance(0.2) ? " BETWEEN 2 AND " + limit : kBounds[pick(3)] + limit;
  Query out{"SELECT " + all_columns(in) + (shown ? ", " + name : "") + " FROM (SELECT *, " + call + " OVER (" +
                partition + " ORDER BY " + order + descending + ") AS " + name + from(in) + ") AS r WHERE " + name +
                bound,
            in.columns, in.depth + 1};
  if (shown) out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::join(Query in, int depth) {
  Query other = generate(std::max(0, depth - 1));
  auto left = of_type(in, 'i');
  auto right = of_type(other, 'i');
  if (left.empty() || right.empty()) return filter(std::move(in));
  std::string l = left[pick(left.size())].name;
  std::string r = right[pick(right.size())].name;
  const char* kind = chance(0.5) ? " JOIN " : " LEFT JOIN ";
  Query out{"SELECT ", {}, std::max(in.depth, other.depth) + 1};
  auto take = [&](const Query& side, const char* alias) {
    for (const Column& column : side.columns) {
      if (!chance(0.6) && !out.columns.empty()) continue;
      std::string name = fresh();
      out.sql += (out.columns.empty() ? "" : ", ") + std::string(alias) + "." + column.name + " AS " + name;
      out.columns.push_back({name, column.type});
    }
  };
  take(in, "a");
  take(other, "b");
  out.sql += " FROM (" + in.sql + ") AS a" + kind + "(" + other.sql + ") AS b ON a." + l + " = b." + r;
  // Without a second condition two wide sides can multiply without bound.
  out.sql += " AND coalesce(a." + l + ", 0) % 7 < 5";
  return out;
}

Query QueryGenerator::semi_join(Query in) {
  auto ints = of_type(in, 'i');
  if (ints.empty()) return filter(std::move(in));
  std::string x = ints[pick(ints.size())].name;
  std::string test = chance(0.5) ? x + " IN (SELECT k FROM u)" : "NOT EXISTS (SELECT 1 FROM u WHERE u.k = q." + x + ")";
  return {"SELECT " + all_columns(in) + from(in) + " WHERE " + test, in.columns, in.depth + 1};
}

/// Against, or beside, the one row of an aggregate over a whole relation.
Query QueryGenerator::scalar_subquery(Query in) {
  auto ints = of_type(in, 'i');
  std::string x = ints.empty() ? "3" : ints[pick(ints.size())].name;
  Query out{"SELECT " + all_columns(in), in.columns, in.depth + 2};
  if (chance(0.5)) {
    static const char* kTests[] = {"coalesce(X, 0) <= (SELECT count(*) FROM u WHERE k < 4)",
                                   "(SELECT sum(w) FROM u) IS NULL OR X < (SELECT avg(w) FROM u)"};
    std::string test = kTests[pick(std::size(kTests))];
    for (size_t at; (at = test.find('X')) != std::string::npos;) test.replace(at, 1, x);
    out.sql += from(in) + " WHERE " + test;
    return out;
  }
  std::string name = fresh();
  static const char* kValues[] = {"count(*)", "CAST(sum(w) AS BIGINT)", "max(w)", "count(DISTINCT name)"};
  out.sql += ", (SELECT " + std::string(kValues[pick(std::size(kValues))]) + " FROM u) AS " + name + from(in);
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::generate(int depth) {
  pieces_.push_back(depth <= 0 ? relation() : grow(depth));
  return pieces_.back();
}

Query QueryGenerator::grow(int depth) {
  Query in = generate(depth - 1);
  if (chance(0.3)) return join_or_subquery(std::move(in), depth);
  if (chance(0.25)) return over_any_type(std::move(in), depth);
  switch (pick(20)) {
    case 0: return filter(std::move(in));
    case 1: return project(std::move(in));
    case 2: return unnest(std::move(in));
    case 3: return union_all(std::move(in), depth);
    case 4:
    case 5: return aggregate(std::move(in));
    case 6: return general_aggregate(std::move(in));
    case 7: return distinct(std::move(in));
    case 8: return distinct_on(std::move(in));
    case 9: return kernel_window(std::move(in));
    case 10: return chance(0.7) ? framed_window(std::move(in)) : several_windows(std::move(in));
    case 11:
    case 12: return join(std::move(in), depth);
    case 13: return scalar_subquery(std::move(in));
    case 14: return having(std::move(in));
    case 15: return top_n(std::move(in));
    case 16: return ranked(std::move(in));
    case 17: return states_aggregate(std::move(in));
    case 18: return grouping_sets(std::move(in));
    default: return semi_join(std::move(in));
  }
}

}  // namespace millrace::test
