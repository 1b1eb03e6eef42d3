-- What the fault tests run: a stream, a copy of it that is appended to files, and totals by key (a view with updates).
CREATE STREAM messages (
  producer INTEGER, seq BIGINT, key VARCHAR, value BIGINT, payload VARCHAR, digest VARCHAR
) WITH (format = 'json', partitions = ${partitions:-4}, key = 'key');

CREATE MATERIALIZED VIEW copies AS SELECT producer, seq, key, value, payload, digest FROM messages;

CREATE MATERIALIZED VIEW totals AS
SELECT key, count(*) AS messages, sum(value)::BIGINT AS value, max(seq) AS seq, arg_max(value, seq) AS latest
FROM messages GROUP BY key;

-- By the time of arrival, so that every message is in one of them.
CREATE MATERIALIZED VIEW seconds AS
SELECT window_start, count(*) AS messages FROM tumble(messages, INTERVAL 1 SECOND) GROUP BY window_start;

CREATE SINK appended FROM copies
  WITH (connector = 'file', format = 'ndjson', path = '${out}/appended', roll_age = '100 milliseconds');
CREATE SINK archived FROM copies
  WITH (connector = 'file', format = 'parquet', path = '${out}/archived', roll_age = '100 milliseconds');
CREATE SINK changed FROM totals
  WITH (connector = 'file', format = 'csv', path = '${out}/changed', mode = 'changes', roll_age = '100 milliseconds');
CREATE SINK replaced FROM totals
  WITH (connector = 'file', format = 'ndjson', path = '${out}/replaced', mode = 'snapshot', every = '100 milliseconds');
CREATE SINK replaced_archive FROM totals
  WITH (connector = 'file', format = 'parquet', path = '${out}/replaced', mode = 'snapshot', every = '100 milliseconds');
