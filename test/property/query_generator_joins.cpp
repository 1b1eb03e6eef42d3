// The QueryGenerator's joins of all types, sets, subqueries and constants.
#include <algorithm>
#include <cctype>
#include <map>

#include "query_generator.h"

namespace millrace::test {
namespace {

std::string from(const Query& in) { return " FROM (" + in.sql + ") AS q"; }

/// The pattern with words put in for letters that stand alone.
std::string fill(const std::string& pattern, const std::map<char, std::string>& words) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  std::string text;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool alone = (i == 0 || !is_word(pattern[i - 1])) && (i + 1 == pattern.size() || !is_word(pattern[i + 1]));
    const auto found = words.find(pattern[i]);
    text += alone && found != words.end() ? found->second : std::string(1, pattern[i]);
  }
  return text;
}

}  // namespace

/// Its first rows: a side that meets every row of the other.
Query QueryGenerator::few_rows(Query in) {
  return {"SELECT " + all_columns(in) + from(in) + " ORDER BY " + all_columns(in) + " LIMIT " +
              std::to_string(5 + pick(25)),
          in.columns, in.depth + 1};
}

std::string QueryGenerator::integer_of(const Query& in, const std::string& qualifier) {
  const auto ints = of_type(in, 'i');
  return ints.empty() ? "3" : qualifier + ints[pick(ints.size())].name;
}

Query QueryGenerator::join_of_any_type(Query in, int depth) {
  Query other = generate(std::max(0, depth - 1));
  const bool equality = chance(0.4);
  if (!equality) {
    other = few_rows(std::move(other));
    if (in.depth >= 2) in = few_rows(std::move(in));
  }
  const std::string l = integer_of(in, "a."), r = integer_of(other, "b.");
  static const char* kTypes[] = {" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " SEMI JOIN ", " ANTI JOIN "};
  const size_t type = pick(std::size(kTypes));
  std::string on = equality ? l + " = " + r : "";
  if (!equality || chance(0.5)) {
    static const char* kConditions[] = {"L < R", "L >= R + 2", "L <> R", "abs(L - R) < 3", "L + R IS NULL"};
    const std::string l2 = integer_of(in, "a."), r2 = integer_of(other, "b.");
    on += (on.empty() ? "" : " AND ") + fill(kConditions[pick(std::size(kConditions))], {{'L', l2}, {'R', r2}});
  }
  if (equality) on += " AND coalesce(" + l + ", 0) % 7 < 5";
  const bool cross = !equality && chance(0.2);
  Query out{"SELECT ", {}, std::max(in.depth, other.depth) + 1};
  const auto take = [&](const Query& side, const char* alias) {
    for (const Column& column : side.columns) {
      if (!chance(0.6) && !out.columns.empty()) continue;
      std::string name = fresh();
      out.sql += (out.columns.empty() ? "" : ", ") + std::string(alias) + "." + column.name + " AS " + name;
      out.columns.push_back({name, column.type});
    }
  };
  take(in, "a");
  if (type < 4 || cross) take(other, "b");
  out.sql += " FROM (" + in.sql + ") AS a" + (cross ? " CROSS JOIN " : kTypes[type]) + "(" + other.sql + ") AS b";
  if (!cross) out.sql += " ON " + on;
  return out;
}

Query QueryGenerator::set_operation(Query in, int depth) {
  Query other = chance(0.4) ? filter(in) : generate(std::max(0, depth - 1));
  const std::string name_int = fresh(), name_text = fresh();
  const auto side = [&](const Query& query) {
    const auto texts = of_type(query, 's');
    const std::string s = texts.empty() ? "'a'" : texts[pick(texts.size())].name;
    return "SELECT CAST(" + integer_of(query, "") + " AS BIGINT) % 20 AS " + name_int + ", " + s + " AS " + name_text +
           from(query);
  };
  static const char* kWords[] = {" INTERSECT ", " INTERSECT ALL ", " EXCEPT ", " EXCEPT ALL ", " UNION "};
  return {"(" + side(in) + ")" + kWords[pick(std::size(kWords))] + "(" + side(other) + ")",
          {{name_int, 'i'}, {name_text, 's'}},
          std::max(in.depth, other.depth) + 1};
}

/// IN, NOT IN, ANY, ALL and EXISTS where they are values: three-valued, under OR, in the SELECT list.
std::string QueryGenerator::subquery_test(const Query& in) {
  const std::string x = integer_of(in, "q."), y = integer_of(in, "q.");
  static const char* kTests[] = {
      "X IN (SELECT k FROM u)",
      "X NOT IN (SELECT k FROM u WHERE k IS NOT NULL)",
      "X NOT IN (SELECT w FROM u WHERE w > 40 OR k = 3)",
      "X = ANY (SELECT w FROM u WHERE id > 100)",
      "X <> ALL (SELECT x % 9 FROM t WHERE g = 'a')",
      "X < ANY (SELECT w FROM u WHERE k = 2)",
      "X >= ALL (SELECT w - 60 FROM u WHERE k < 2)",
      "(X, Y) IN (SELECT k, w % 4 FROM u)",
      "(X, Y) NOT IN (SELECT k, w % 4 FROM u WHERE k = 4)",
      "X IN (SELECT w FROM u WHERE u.k = Y)",
      "X NOT IN (SELECT w % 30 FROM u WHERE u.k = Y)",
      "X NOT IN (SELECT w % 30 FROM u WHERE u.k IS NOT DISTINCT FROM Y % 6)",
      "X > ANY (SELECT w FROM u WHERE u.k = Y)",
      "EXISTS (SELECT 1 FROM u WHERE u.k = X)",
      "NOT EXISTS (SELECT 1 FROM u WHERE u.k = X AND u.w <> Y)",
      "EXISTS (SELECT 1 FROM u WHERE u.w > X AND u.k < Y)",
      "EXISTS (SELECT 1 FROM u WHERE w = 7)",
      "EXISTS (SELECT 1 FROM t WHERE t.k = X AND t.x IN (SELECT w FROM u WHERE u.k = Y))",
  };
  return fill(kTests[pick(std::size(kTests))], {{'X', x}, {'Y', y}});
}

Query QueryGenerator::mark_subquery(Query in) {
  Query out{"SELECT " + all_columns(in), in.columns, in.depth + 1};
  const std::string test = subquery_test(in);
  switch (pick(4)) {
    case 0: out.sql += from(in) + " WHERE " + test; return out;
    case 1: out.sql += from(in) + " WHERE NOT (" + test + ")"; return out;
    case 2: out.sql += from(in) + " WHERE " + predicate(in) + " OR " + test; return out;
    default: break;
  }
  const std::string name = fresh();
  out.sql += ", CASE WHEN " + test + " THEN 2 WHEN NOT (" + test + ") THEN 1 END AS " + name + from(in);
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::correlated_scalar(Query in) {
  const std::string name = fresh(), a = integer_of(in, "q."), b = integer_of(in, "q.");
  static const char* kValues[] = {
      "SELECT count(*) FROM u WHERE u.k = A",
      "SELECT CAST(sum(w) AS BIGINT) FROM u WHERE u.k = A AND u.w > B",
      "SELECT max(w) FROM u WHERE u.k = A AND u.id % 2 = 0",
      "SELECT count(*) FROM u WHERE u.w < A",
      "SELECT w FROM u WHERE u.k = A ORDER BY w DESC LIMIT 1",
      "SELECT w FROM u WHERE u.k < A AND u.w < B ORDER BY w LIMIT 1",
      "SELECT max(w + A) FROM u WHERE u.k = B",
      "SELECT count(*) FROM (SELECT k, count(*) AS n FROM u WHERE u.w > A GROUP BY k) WHERE n > 1",
      "SELECT count(DISTINCT name) FROM u JOIN t ON u.k = t.k WHERE u.w = A AND t.x > B",
      "SELECT A + coalesce(B, 0)",
      "SELECT min(x) FROM t WHERE t.k = A AND EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.w > B)",
      "SELECT count(*) FROM (SELECT k FROM u WHERE w > A INTERSECT SELECT k FROM t WHERE x < B)",
      "SELECT CAST(sum(v) AS BIGINT) FROM (VALUES (A), (B), (1)) AS c(v)",
  };
  Query out{"SELECT " + all_columns(in), in.columns, in.depth + 2};
  const std::string text = fill(kValues[pick(std::size(kValues))], {{'A', a}, {'B', b}});
  if (chance(0.3)) {
    out.sql += from(in) + " WHERE coalesce((" + text + "), 2) % 3 <> 1";
    return out;
  }
  out.sql += ", (" + text + ") AS " + name + from(in);
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::lateral(Query in) {
  if (chance(0.5)) in = few_rows(std::move(in));  // what reads a list goes by row numbers, which is dear
  const std::string a = fresh(), b = fresh(), x = integer_of(in, "q."), y = integer_of(in, "q.");
  const auto lists = of_type(in, 'l');
  const std::string list = lists.empty() ? "[3, NULL]" : "q." + lists[pick(lists.size())].name;
  static const char* kSides[] = {
      ", LATERAL (SELECT v, X FROM unnest(L) AS e(v)) AS s(A, B)",
      " LEFT JOIN LATERAL (SELECT count(v), max(v) FROM unnest(L) AS e(v) WHERE v < Y) AS s(A, B) ON true",
      ", LATERAL (SELECT v, X FROM range(CAST(X AS BIGINT) % 4) AS e(v)) AS s(A, B)",
      ", LATERAL (SELECT w, k FROM u WHERE u.k = X) AS s(A, B)",
      ", LATERAL (SELECT w, k FROM u WHERE u.k = X ORDER BY w, k LIMIT 2) AS s(A, B)",
      " LEFT JOIN LATERAL (SELECT w, k FROM u WHERE u.w = X ORDER BY w, k LIMIT 1) AS s(A, B) ON true",
      " LEFT JOIN LATERAL (SELECT count(*), max(w) FROM u WHERE u.k = X AND u.w < Y) AS s(A, B) ON A > 0",
      ", LATERAL (SELECT X + 1, Y) AS s(A, B)",
      ", LATERAL (VALUES (X, 1), (Y, 2)) AS s(A, B)",
      ", LATERAL (SELECT k, count(*) FROM u WHERE u.w < X GROUP BY k) AS s(A, B)",
      " LEFT JOIN LATERAL (SELECT k, w FROM u WHERE u.k = X AND u.w > 70) AS s(A, B) ON B % 2 = 0",
  };
  const std::string text = fill(kSides[pick(std::size(kSides))], {{'A', a}, {'B', b}, {'X', x}, {'Y', y}, {'L', list}});
  Query out{"SELECT " + all_columns(in) + ", " + a + ", " + b + from(in) + text, in.columns, in.depth + 2};
  out.columns.push_back({a, 'i'});
  out.columns.push_back({b, 'i'});
  return out;
}

/// The right side has one row a key and place, so that SQL says which one is the last. NULL meets nothing, but DuckDB
/// 1.4.4, where it sorts both sides (64 left rows or more) and there are keys, gives a left row without place the one
/// that it would compare last: hence coalesce.
Query QueryGenerator::asof_join(Query in) {
  if (of_type(in, 'i').empty()) return few_rows(std::move(in));  // DuckDB refuses a comparison of constants
  const std::string a = fresh(), b = fresh(), x = integer_of(in, "q."), y = integer_of(in, "q.");
  static const char* kTypes[] = {" ASOF JOIN ", " ASOF LEFT JOIN "};
  static const char* kSides[] = {
      "(SELECT k, w, count(*) AS A, min(id) AS B FROM u GROUP BY k, w) AS s ON X = s.k AND coalesce(Y, 2) C s.w",
      "(SELECT w, count(*) AS A, max(id) AS B FROM u WHERE k < 4 GROUP BY w) AS s ON coalesce(Y, 2) C s.w",
      "(SELECT DISTINCT k, x AS A, k AS B FROM t) AS s ON X = s.k AND coalesce(Y, 2) C A",
  };
  static const char* kComparisons[] = {">=", ">", "<=", "<"};
  const std::string side =
      fill(kSides[pick(std::size(kSides))], {{'A', a}, {'B', b}, {'X', x}, {'Y', y}, {'C', kComparisons[pick(4)]}});
  Query out{"SELECT q.*, " + a + ", " + b + from(in) + kTypes[pick(2)] + side, in.columns, in.depth + 2};
  out.columns.push_back({a, 'i'});
  out.columns.push_back({b, 'i'});
  return out;
}

Query QueryGenerator::constants(Query in) {
  const std::string a = fresh(), b = fresh();
  switch (pick(4)) {
    case 0: {
      Query out{"SELECT " + all_columns(in) + ", " + b + from(in) +
                    " JOIN (VALUES (1, 'a'), (2, NULL), (3, 'b')) AS c(" + a + ", " + b + ") ON " + a + " = " +
                    integer_of(in, ""),
                in.columns, in.depth + 1};
      out.columns.push_back({b, 's'});
      return out;
    }
    case 1: {
      Query out{"SELECT " + all_columns(in) + ", " + a + from(in) + " CROSS JOIN unnest([1, 2, NULL]) AS c(" + a + ")",
                in.columns, in.depth + 1};
      out.columns.push_back({a, 'i'});
      return out;
    }
    case 2:
      return {"SELECT CAST(" + integer_of(in, "") + " AS BIGINT) AS " + a + from(in) +
                  " UNION ALL SELECT 5 UNION ALL (VALUES (7), (NULL))",
              {{a, 'i'}},
              in.depth + 1};
    default: {
      Query out{"WITH c AS MATERIALIZED (" + in.sql + ") SELECT " + all_columns(in) + ", " + a +
                    " FROM c, (SELECT count(*) AS " + a + " FROM c) UNION ALL SELECT " + all_columns(in) +
                    ", 2 FROM c WHERE " + predicate(in),
                in.columns, in.depth + 2};
      out.columns.push_back({a, 'i'});
      return out;
    }
  }
}

Query QueryGenerator::join_or_subquery(Query in, int depth) {
  switch (pick(9)) {
    case 8: return asof_join(std::move(in));
    case 0:
    case 1: return join_of_any_type(in, depth);
    case 2: return set_operation(in, depth);
    case 3:
    case 4: return mark_subquery(in);
    case 5: return correlated_scalar(in);
    case 6: return lateral(in);
    default: return constants(in);
  }
}

}  // namespace millrace::test
