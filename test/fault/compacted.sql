-- A table whose log is compacted, in small segments, and a view over it.
CREATE TABLE titles (id INTEGER PRIMARY KEY, minutes BIGINT, note VARCHAR)
  WITH (cleanup_policy = 'compact', segment_size = '64 KiB', partitions = 1);
CREATE MATERIALIZED VIEW lengths AS SELECT minutes % 5 AS m, count(*) AS n, sum(id)::BIGINT AS ids FROM titles GROUP BY m;
