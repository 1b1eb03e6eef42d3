#include "watermark_queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace::test {
namespace {

std::string interval(int64_t micros) { return fmt::format("INTERVAL '{} microseconds'", micros); }

/// `expression` + micros <(=) the watermark.
std::string passed(const std::string& expression, int64_t micros, const char* comparison, int64_t watermark) {
  if (watermark == kNoTime) return "false";
  return fmt::format("({} + {} {} make_timestamp({}))", expression, interval(micros), comparison, watermark);
}

int64_t floor_to(int64_t value, int64_t step) { return value - ((value % step) + step) % step; }

using Ends = std::function<std::vector<int64_t>(int64_t ts)>;

/// Of rows that `keeps`, for each window with the end: the watermark of the partition had reached it.
std::set<LateRow> late_for_windows(WatermarkStreams& streams, const std::string& name, const Ends& ends,
                                   int64_t lateness, bool without_multiples_of_5) {
  std::set<LateRow> late;
  const TestStream& stream = streams.stream(name);
  for (size_t partition = 0; partition < stream.log.size(); ++partition) {
    for (size_t i = 0; i < stream.taken[partition]; ++i) {
      const StreamRow& row = stream.log[partition][i];
      if (!row.ts || !row.watermark || (without_multiples_of_5 && row.x % 5 == 0)) continue;
      for (int64_t end : ends(*row.ts)) {
        if (*row.watermark >= end + lateness) late.insert({name, row.id, end});
      }
    }
  }
  return late;
}

/// The watermark of the partition was above time(ts) + grace.
void add_late_rows(WatermarkStreams& streams, const std::string& name, const std::function<int64_t(int64_t)>& time,
                   int64_t grace, std::set<LateRow>& late) {
  const TestStream& stream = streams.stream(name);
  for (size_t partition = 0; partition < stream.log.size(); ++partition) {
    for (size_t i = 0; i < stream.taken[partition]; ++i) {
      const StreamRow& row = stream.log[partition][i];
      if (row.ts && row.watermark && *row.watermark > time(*row.ts) + grace) late.insert({name, row.id, kNoTime});
    }
  }
}

int64_t itself(int64_t ts) { return ts; }

constexpr const char* kJoins[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"};

class Maker {
 public:
  Maker(std::mt19937_64& random, uint64_t round) : random_(random), join_(kJoins[round % 6]) {
    query_.on_close = round / 6 % 2 == 1;
    query_.lateness = std::array<int64_t, 3>{0, 5, 20}[random() % 3] * kSecond;
    query_.streams.with_nulls = chance();
  }

  WatermarkQuery window_aggregate();
  WatermarkQuery session();
  WatermarkQuery interval_join();
  WatermarkQuery window_join();
  WatermarkQuery aggregate_of_interval_join();
  WatermarkQuery temporal_join();
  WatermarkQuery aggregate_of_temporal_join();

 private:
  bool chance() { return random_() % 2 == 0; }
  int64_t seconds(int64_t from, int64_t to) {
    return (from + static_cast<int64_t>(random_() % static_cast<uint64_t>(to - from + 1))) * kSecond;
  }
  std::string results() {
    static constexpr const char* kMore[] = {"", "", ", median(x) AS m", ", list(id ORDER BY id) AS ids"};
    const std::string plain = "count(*) AS n, sum(x)::BIGINT AS total, min(x) AS least, max(id) AS last";
    return plain + kMore[random_() % 4];
  }
  void bound_join_rules(int64_t lower, int64_t upper);

  std::mt19937_64& random_;
  std::string join_;
  WatermarkQuery query_;
};

WatermarkQuery Maker::window_aggregate() {
  const size_t which = random_() % 3;
  const int64_t step = seconds(3, 8), steps = 1 + static_cast<int64_t>(random_() % 4);
  const int64_t size = which == 0 ? step : which == 1 ? seconds(2, 25) : step * steps;
  const int64_t offset = which == 2 ? 0 : seconds(0, 2);
  query_.kind = std::array{"tumble", "hop", "cumulate"}[which];
  const auto call = [=](const std::string& stream) {
    if (which == 0) return fmt::format("tumble({}, ts, {}, {})", stream, interval(size), interval(offset));
    return fmt::format("{}({}, ts, {}, {}, {})", which == 1 ? "hop" : "cumulate", stream, interval(step),
                       interval(size), interval(offset));
  };
  const std::array bounds{"window_start, window_end", "window_end", "window_start"};
  const std::string by = bounds[random_() % (which == 2 ? 2 : 3)];  // windows of cumulate begin together
  const std::string groups = (chance() ? "k, " : "") + by;
  const bool filtered = chance();
  const std::string where = filtered ? " WHERE x % 5 <> 0" : "";
  const std::string columns = "SELECT " + groups + ", " + results() + " FROM ";
  query_.view = columns + call("s") + " AS w" + where + " GROUP BY ALL";
  const std::string in_time = "(SELECT w.* FROM " + call("s") +
                              " AS w ANTI JOIN late_s AS l ON w.id = l.id AND w.window_end = l.window_end) AS w";
  const std::string all = columns + in_time + where + " GROUP BY ALL";
  const std::string end = by == "window_start" ? "window_start + " + interval(size) : "window_end";
  query_.oracle = [=, on_close = query_.on_close, lateness = query_.lateness](int64_t watermark) {
    if (!on_close) return all;
    return "SELECT * FROM (" + all + ") WHERE " + passed(end, lateness, "<=", watermark);
  };
  const Ends ends = [=](int64_t ts) {
    std::vector<int64_t> found;
    if (which == 2) {
      const int64_t start = floor_to(ts, size);
      for (int64_t at = start + step; at <= start + size; at += step) {
        if (at > ts) found.push_back(at);
      }
      return found;
    }
    for (int64_t start = floor_to(ts - offset, step) + offset; start + size > ts; start -= step)
      found.push_back(start + size);
    return found;
  };
  query_.late = [=, lateness = query_.lateness](WatermarkStreams& streams) {
    return late_for_windows(streams, "s", ends, lateness, filtered);
  };
  return query_;
}

WatermarkQuery Maker::session() {
  query_.kind = "session";
  const int64_t gap = seconds(1, 8);
  const bool keyed = chance();
  const auto from = [=](const std::string& stream) {
    return fmt::format("session({}, ts, {}{})", stream, interval(gap), keyed ? ", partition_by := [k]" : "");
  };
  const std::string columns =
      std::string("SELECT ") + (keyed ? "k, " : "") + "window_start, window_end, " + results() + " FROM ";
  query_.view = columns + from("s") + " GROUP BY ALL";
  const std::string all = columns + from("s_in_time") + " GROUP BY ALL";
  query_.oracle = [=, on_close = query_.on_close, lateness = query_.lateness](int64_t watermark) {
    if (!on_close) return all;
    return "SELECT * FROM (" + all + ") WHERE " + passed("window_end", lateness, "<=", watermark);
  };
  // On close W > t + lateness, else W >= t + gap + lateness.
  const int64_t grace = query_.lateness + (query_.on_close ? 0 : gap - 1);
  query_.late = [=](WatermarkStreams& streams) {
    std::set<LateRow> late;
    add_late_rows(streams, "s", itself, grace, late);
    return late;
  };
  return query_;
}

void Maker::bound_join_rules(int64_t lower, int64_t upper) {
  const int64_t ahead = std::max<int64_t>(upper, 0), behind = std::max<int64_t>(-lower, 0);
  query_.late = [=, lateness = query_.lateness](WatermarkStreams& streams) {
    std::set<LateRow> late;
    add_late_rows(streams, "s", itself, ahead + lateness, late);
    add_late_rows(streams, "r", itself, behind + lateness, late);
    return late;
  };
}

/// The rows of a join on close: pairs, and rows without partner that are final.
std::string final_rows(const std::string& all, const std::string& type, const std::string& left_final,
                       const std::string& right_final) {
  if (type == "JOIN" || type == "SEMI JOIN") return all;
  if (type == "ANTI JOIN") return "SELECT * FROM (" + all + ") WHERE sk IS NULL OR sts IS NULL OR " + left_final;
  return "SELECT * FROM (" + all + ") WHERE (sid IS NOT NULL AND rid IS NOT NULL) OR " +
         "(rid IS NULL AND (sk IS NULL OR sts IS NULL OR " + left_final + ")) OR " +
         "(sid IS NULL AND (rk IS NULL OR rts IS NULL OR " + right_final + "))";
}

WatermarkQuery Maker::interval_join() {
  const std::string type = join_;
  query_.kind = "interval " + type;
  const int64_t lower = seconds(-8, 4), upper = lower + seconds(0, 10);
  const bool left_only = type == "SEMI JOIN" || type == "ANTI JOIN";
  const std::string columns = std::string("SELECT s.id AS sid, s.ts AS sts, s.k AS sk") +
                              (left_only ? "" : ", r.id AS rid, r.ts AS rts, r.k AS rk");
  const std::string on = fmt::format(" ON s.k = r.k AND r.ts BETWEEN s.ts + {} AND s.ts + {}{}", interval(lower),
                                     interval(upper), chance() ? " AND (s.x + r.x) % 3 <> 0" : "");
  query_.view = columns + " FROM s " + type + " r" + on;
  const std::string all = columns + " FROM s_in_time AS s " + type + " r_in_time AS r" + on;
  const int64_t keep_left = upper + std::max<int64_t>(-lower, 0) + query_.lateness;
  const int64_t keep_right = -lower + std::max<int64_t>(upper, 0) + query_.lateness;
  query_.oracle = [=, on_close = query_.on_close](int64_t watermark) {
    if (!on_close) return all;
    return final_rows(all, type, passed("sts", keep_left, "<", watermark), passed("rts", keep_right, "<", watermark));
  };
  bound_join_rules(lower, upper);
  return query_;
}

WatermarkQuery Maker::window_join() {
  const std::string type = join_;
  query_.kind = "window " + type;
  const int64_t size = seconds(3, 12);
  const bool left_only = type == "SEMI JOIN" || type == "ANTI JOIN";
  const std::string columns = std::string("SELECT s.id AS sid, s.window_end AS sts, s.k AS sk") +
                              (left_only ? "" : ", r.id AS rid, r.window_end AS rts, r.k AS rk");
  const auto from = [=](const std::string& suffix) {
    return fmt::format(" FROM tumble(s{0}, ts, {1}) AS s {2} tumble(r{0}, ts, {1}) AS r ON s.k = r.k AND {3}", suffix,
                       interval(size), type, "s.window_start = r.window_start AND s.window_end = r.window_end");
  };
  query_.view = columns + from("");
  const std::string all = columns + from("_in_time");
  query_.oracle = [=, on_close = query_.on_close, lateness = query_.lateness](int64_t watermark) {
    if (!on_close) return all;
    return final_rows(all, type, passed("sts", lateness - 1, "<", watermark),
                      passed("rts", lateness - 1, "<", watermark));
  };
  query_.late = [=, lateness = query_.lateness](WatermarkStreams& streams) {
    std::set<LateRow> late;
    const auto last_moment = [=](int64_t ts) { return floor_to(ts, size) + size - 1; };
    for (const char* name : {"s", "r"}) add_late_rows(streams, name, last_moment, lateness, late);
    return late;
  };
  return query_;
}

WatermarkQuery Maker::aggregate_of_interval_join() {
  query_.kind = "tumble of interval join";
  const int64_t lower = seconds(-8, 4), upper = lower + seconds(0, 10), size = seconds(3, 12);
  const std::string columns = "SELECT s.window_end, count(*) AS n, sum(r.x)::BIGINT AS total FROM ";
  const std::string on =
      fmt::format(" ON s.k = r.k AND r.ts BETWEEN s.ts + {} AND s.ts + {}", interval(lower), interval(upper));
  query_.view = columns + "tumble(s, ts, " + interval(size) + ") AS s JOIN r" + on + " GROUP BY ALL";
  const std::string in_time = "(SELECT w.* FROM tumble(s_in_time, ts, " + interval(size) +
                              ") AS w ANTI JOIN late_s AS l ON w.id = l.id AND w.window_end = l.window_end)";
  const std::string all = columns + in_time + " AS s JOIN r_in_time AS r" + on + " GROUP BY ALL";
  const int64_t ahead = std::max<int64_t>(upper, 0), behind = std::max<int64_t>(-lower, 0);
  query_.oracle = [=, on_close = query_.on_close, lateness = query_.lateness](int64_t watermark) {
    if (!on_close) return all;
    return "SELECT * FROM (" + all + ") WHERE " + passed("window_end", 2 * lateness + ahead + behind, "<=", watermark);
  };
  bound_join_rules(lower, upper);
  query_.late = [=, rows = query_.late, lateness = query_.lateness](WatermarkStreams& streams) {
    std::set<LateRow> late = rows(streams);
    const Ends ends = [=](int64_t ts) { return std::vector{floor_to(ts, size) + size}; };
    late.merge(late_for_windows(streams, "s", ends, lateness, false));
    return late;
  };
  query_.late_may_not_come = true;
  return query_;
}

/// NULL meets nothing, but DuckDB 1.4.4 sometimes lets it meet a row in an ASOF join.
std::string with_times(const std::string& stream) {
  return "(SELECT * FROM " + stream + "_in_time WHERE ts IS NOT NULL AND k IS NOT NULL)";
}

WatermarkQuery Maker::temporal_join() {
  const std::string type = chance() ? "JOIN" : "LEFT JOIN";
  query_.kind = "temporal " + type;
  query_.streams.unique_times = true;
  query_.entries_left = 5;
  query_.view = "SELECT s.id, r.id AS rid FROM s " + type + " r AT (TIMESTAMP => s.ts) ON s.k = r.k";
  const std::string met = "SELECT s.id, r.id AS rid FROM " + with_times("s") + " AS s ASOF " + type + " " +
                          with_times("r") + " AS r ON s.k = r.k AND s.ts >= r.ts WHERE ";
  const std::string alone =
      type == "JOIN" ? "" : " UNION ALL SELECT id, NULL FROM s_in_time WHERE ts IS NULL OR k IS NULL";
  query_.oracle = [=, lateness = query_.lateness](int64_t watermark) {
    return met + passed("s.ts", lateness, "<", watermark) + alone;
  };
  query_.late = [=, lateness = query_.lateness](WatermarkStreams& streams) {
    std::set<LateRow> late;
    for (const char* name : {"s", "r"}) add_late_rows(streams, name, itself, lateness, late);
    return late;
  };
  return query_;
}

WatermarkQuery Maker::aggregate_of_temporal_join() {
  WatermarkQuery join = temporal_join();
  join.kind = "tumble of temporal join";
  const int64_t size = seconds(3, 12);
  const std::string columns = "SELECT s.window_end, count(*) AS n, sum(r.x)::BIGINT AS total FROM tumble(s";
  join.view = columns + ", ts, " + interval(size) + ") AS s JOIN r AT (TIMESTAMP => s.ts) ON s.k = r.k GROUP BY ALL";
  const std::string all = columns + "_in_time, ts, " + interval(size) + ") AS s ASOF JOIN " + with_times("r") +
                          " AS r ON s.k = r.k AND s.ts >= r.ts WHERE s.ts IS NOT NULL AND s.k IS NOT NULL AND ";
  join.oracle = [=, on_close = query_.on_close, lateness = query_.lateness](int64_t watermark) {
    if (!on_close) return all + passed("s.ts", lateness, "<", watermark) + " GROUP BY ALL";
    return "SELECT * FROM (" + all + "true GROUP BY ALL) WHERE " + passed("window_end", 2 * lateness, "<=", watermark);
  };
  return join;
}

}  // namespace

WatermarkQuery random_watermark_query(std::mt19937_64& random, uint64_t seed) {
  constexpr uint64_t kKinds = 11;
  Maker maker(random, seed / kKinds);
  switch (seed % kKinds) {
    case 0:
    case 1:
    case 2:
    case 3: return maker.window_aggregate();
    case 4:
    case 5: return maker.session();
    case 6: return maker.interval_join();
    case 7: return maker.window_join();
    case 8: return maker.aggregate_of_interval_join();
    case 9: return maker.temporal_join();
    default: return maker.aggregate_of_temporal_join();
  }
}

}  // namespace millrace::test
