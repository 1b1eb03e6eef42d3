-- Keyed state that grows with the keys: a running aggregate, the first row of each key, and an aggregate over an aggregate
-- whose few rows say whether every row was counted once.
CREATE STREAM events (k BIGINT, v BIGINT) WITH (format = 'json', partitions = 4, key = 'k');

CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS n, sum(v)::BIGINT AS s FROM events GROUP BY k;

CREATE MATERIALIZED VIEW firsts AS SELECT DISTINCT ON (k) k, v FROM events ORDER BY k, v;

CREATE MATERIALIZED VIEW sizes AS
SELECT n, count(*) AS keys, sum(k)::BIGINT AS k, sum(s)::BIGINT AS s FROM sums GROUP BY n;
