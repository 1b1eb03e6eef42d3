// OVER with frames of all units and bounds, EXCLUDE, FILTER, DISTINCT, IGNORE NULLS, and several windows in one SELECT.
#include "query_generator.h"

namespace millrace::test {
namespace {

constexpr const char* kUnits[] = {"ROWS", "RANGE", "GROUPS"};

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

/// Neither sums nor the ends of ranges leave the type.
std::string small(const Column& column) { return "CAST(" + column.name + " % 1000 AS BIGINT)"; }

}  // namespace

/// A call without its OVER; $x and $y stand for integer columns.
std::string QueryGenerator::window_call(const Query& in, bool total_order) {
  // What peers may stand in any order for.
  static const char* kAnyOrder[] = {"count(*)",        "count($x)",      "sum($x)",        "min($x)",
                                    "max($x)",          "avg($x)",        "bit_xor($x)",    "count(DISTINCT $x)",
                                    "sum(DISTINCT $x)", "median($x)",     "cume_dist()",   "percent_rank()",
                                    "bool_or($x > 3)", "quantile_disc($x, 0.3)"};
  static const char* kTotalOrder[] = {"first_value($x)",
                                      "last_value($x)",
                                      "nth_value($x, 2)",
                                      "first_value($x IGNORE NULLS)",
                                      "last_value($x IGNORE NULLS)",
                                      "nth_value($x, 2 IGNORE NULLS)",
                                      "lead($x, 2, -1 IGNORE NULLS)",
                                      "lag($x IGNORE NULLS)",
                                      "lag($x, -1, $x)",
                                      "lead($x, 2, $y)",
                                      "ntile(3)",
                                      "list_sum(list($x))",
                                      "arg_max($x, $y)",
                                      "list_first(list($x ORDER BY $y, $x))"};
  const auto ints = of_type(in, 'i');
  const bool any = !total_order || chance(0.4);
  std::string call = any ? kAnyOrder[pick(std::size(kAnyOrder))] : kTotalOrder[pick(std::size(kTotalOrder))];
  const bool aggregate = any && call.find("cume") == std::string::npos && call.find("percent") == std::string::npos;
  if (aggregate && chance(0.25)) call += " FILTER (WHERE " + predicate(in) + ")";
  replace_all(call, "$x", ints.empty() ? "1" : small(ints[pick(ints.size())]));
  replace_all(call, "$y", ints.empty() ? "1" : small(ints[pick(ints.size())]));
  return call;
}

/// Empty: the default one.
std::string QueryGenerator::frame() {
  static const char* kWithoutOwn[] = {
      " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING", " ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW",
      " GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
      " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP"};
  if (chance(0.2)) return kWithoutOwn[pick(std::size(kWithoutOwn))];
  const std::string unit = kUnits[pick(3)];
  const auto bound = [&](size_t side, size_t least, size_t most) -> std::string {
    if (side == 0) return "UNBOUNDED PRECEDING";
    if (side == 2) return "CURRENT ROW";
    if (side == 4) return "UNBOUNDED FOLLOWING";
    const std::string number = std::to_string(least + pick(most - least + 1));
    return number + (side == 1 ? " PRECEDING" : " FOLLOWING");
  };
  const size_t start = chance(0.3) ? 0 : 1 + pick(3);
  const size_t end = chance(0.3) ? 4 : std::max<size_t>(start, 1 + pick(3));
  static const char* kExcludes[] = {"", "", "", " EXCLUDE NO OTHERS", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP",
                                    " EXCLUDE TIES"};
  // In ROWS, a frame that excludes peers is refused.
  const char* exclude = kExcludes[pick(std::size(kExcludes) - (unit == "ROWS" ? 2 : 0))];
  // DuckDB takes some of the peers only when RANGE begins at 0 FOLLOWING or ends at 0 PRECEDING, and some aggregates
  // give what is left of another row for frames that end before they begin.
  const size_t least = unit == "RANGE" ? 1 : 0;
  const size_t middle = 1 + pick(2);
  const bool precedes = end == 1;
  const std::string first = precedes ? bound(start, middle, 3) : bound(start, least, start == 3 ? middle : 3);
  const std::string last = precedes ? bound(end, least, middle) : bound(end, start == 3 ? middle : least, 3);
  return " " + unit + " BETWEEN " + first + " AND " + last + exclude;
}

/// What stands in OVER's parentheses. Without a total order the rows are ordered by one integer, so that there are
/// peers.
std::string QueryGenerator::over(const Query& in, const std::vector<Column>& keys, bool total_order) {
  std::string text = chance(0.85) ? "PARTITION BY " + keys[pick(keys.size())].name : "";
  const auto ints = of_type(in, 'i');
  const std::string frame = chance(0.85) ? this->frame() : "";
  const bool by_value = frame.starts_with(" RANGE") && frame.find_first_of("0123") != std::string::npos;
  if (total_order && !by_value) return text + " ORDER BY " + all_columns(in) + (chance(0.3) ? " DESC" : "") + frame;
  // The integer is an expression without a range of its own to leave: a literal has no peers to tell apart.
  const std::string x = ints.empty() ? "1::BIGINT" : small(ints[pick(ints.size())]);
  return text + " ORDER BY " + x + (chance(0.3) ? " DESC" : "") + (chance(0.3) ? " NULLS FIRST" : "") +
         (frame.starts_with(" ROWS") ? "" : frame);
}

Query QueryGenerator::framed_window(Query in) {
  const bool total_order = chance(0.6);
  const std::string inside = over(in, some_keys(in), total_order);
  // RANGE by a number orders by one column alone: what depends on the order of peers is left out.
  const bool is_total = inside.find(all_columns(in)) != std::string::npos && in.columns.size() > 1;
  const std::string call = window_call(in, is_total);
  const std::string name = fresh();
  const bool real = call.starts_with("avg") || call.starts_with("median") ||
                    call.starts_with("cume") || call.starts_with("percent");
  std::string value = call;
  // A function around an aggregate stays outside of OVER.
  const bool wrapped = call.starts_with("list_");
  if (wrapped) value.pop_back();
  value += " OVER (" + inside + ")" + (wrapped ? ")" : "");
  value = "CAST(" + std::string(real ? "round(1000 * (" : "((") + value + ")) AS BIGINT)";
  Query out{"SELECT " + all_columns(in) + ", " + value + " AS " + name + " FROM (" + in.sql + ") AS q", in.columns,
            in.depth + 1};
  out.columns.push_back({name, 'i'});
  return out;
}

Query QueryGenerator::generate_windows(int depth) {
  Query in = generate(depth);
  Query out = chance(0.8) ? framed_window(std::move(in)) : several_windows(std::move(in));
  pieces_.push_back(out);
  if (!chance(0.3)) return out;
  pieces_.push_back(framed_window(std::move(out)));
  return pieces_.back();
}

/// Windows over different partitions, one of them named.
Query QueryGenerator::several_windows(Query in) {
  const auto ints = of_type(in, 'i');
  const std::string x = ints.empty() ? "1" : small(ints[pick(ints.size())]);
  const std::string names[3] = {fresh(), fresh(), fresh()};
  const std::string named = over(in, some_keys(in), true);
  Query out{"SELECT " + all_columns(in) + ", CAST(sum(" + x + ") OVER w AS BIGINT) AS " + names[0] + ", count(" + x +
                ") OVER (" + over(in, some_keys(in), false) + ") AS " + names[1] + ", max(" + x + ") OVER w AS " +
                names[2] + " FROM (" + in.sql + ") AS q" + " WINDOW w AS (" + named + ")",
            in.columns, in.depth + 1};
  for (const std::string& name : names) out.columns.push_back({name, 'i'});
  return out;
}

}  // namespace millrace::test
