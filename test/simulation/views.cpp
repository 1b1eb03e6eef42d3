#include "simulation/views.h"

namespace millrace::simulation {

// A row is late when those before it in its partition had moved the watermark, `mark`, to the end of its window.
#define MARKED                                                                                                       \
  "WITH marked AS (SELECT *, time_bucket(INTERVAL '1 minute', ts) AS window_start, max(ts) OVER (PARTITION BY part " \
  "ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - INTERVAL '30 seconds' AS mark FROM events)"

const std::string_view kStreams = R"(
CREATE STREAM IF NOT EXISTS events (producer INTEGER, number BIGINT, k BIGINT, v BIGINT, g VARCHAR, ts TIMESTAMP,
  WATERMARK FOR ts AS ts - INTERVAL 30 SECOND) WITH (partitions = 3, key = 'k', idle_timeout = '{}');
CREATE STREAM IF NOT EXISTS notes (producer INTEGER, number BIGINT, k BIGINT, v BIGINT, g VARCHAR, ts TIMESTAMP)
  WITH (partitions = 2);
CREATE TABLE IF NOT EXISTS names (k BIGINT PRIMARY KEY, name VARCHAR);
)";

const std::array<ViewCase, 10> kViews{{
    // Fast aggregate.
    {"totals", "SELECT k, count(*) AS n, sum(v)::BIGINT AS total, max(number) AS top FROM events GROUP BY k", ""},
    {"large", "SELECT producer, number, k, v * 2 AS w FROM events WHERE v % 3 = 0", ""},
    // General aggregate.
    {"spread", "SELECT g, median(v) AS middle, count(DISTINCT k) AS ks FROM events GROUP BY g", ""},
    {"latest", "SELECT DISTINCT ON (k) k, producer, number, v FROM events ORDER BY k, ts DESC, producer, number", ""},
    {"everything", "SELECT count(*) AS n, sum(v)::BIGINT AS total, max(number) AS top FROM events", ""},
    {"named", "SELECT e.producer, e.number, n.name FROM events e JOIN names n USING (k) WHERE e.v > 40", ""},
    // A view over a view, and a table that changes.
    {"ranked", "SELECT t.k, n.name, t.n FROM totals t LEFT JOIN names n USING (k)",
     "SELECT t.k, n.name, t.n FROM (SELECT k, count(*) AS n FROM events GROUP BY k) t LEFT JOIN names n USING (k)"},
    {"pairs", "SELECT e.producer, e.number, o.producer AS other FROM events e JOIN notes o ON e.k = o.k AND e.v = o.v",
     ""},
    {"best",
     "SELECT k, producer, number, row_number() OVER (PARTITION BY k ORDER BY v DESC, producer, number) AS place "
     "FROM events QUALIFY place <= 2",
     ""},
    {"minutes",
     "SELECT window_start, g, count(*) AS n, sum(v)::BIGINT AS total FROM tumble(events, ts, INTERVAL 1 MINUTE) "
     "GROUP BY window_start, g EMIT ON WINDOW CLOSE",
     MARKED ", ends AS (SELECT max(ts) - INTERVAL '30 seconds' AS watermark FROM events GROUP BY part) "
            "SELECT window_start, g, count(*) AS n, sum(v)::BIGINT AS total FROM marked "
            "WHERE (mark IS NULL OR mark < window_start + INTERVAL '1 minute') AND (SELECT count(*) FROM ends) = 3 "
            "AND window_start + INTERVAL '1 minute' <= (SELECT min(watermark) FROM ends) GROUP BY ALL"},
}};

const std::string_view kRowsOfClosedWindows = MARKED
    " SELECT count(*) FROM marked WHERE window_start + INTERVAL '1 minute' <= TIMESTAMP '{}' "
    "OR mark >= window_start + INTERVAL '1 minute'";

}  // namespace millrace::simulation
