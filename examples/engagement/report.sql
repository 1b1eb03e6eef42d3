-- From raw playback events to the engagement report: hours viewed and views per title, as they were published.
--
-- A title is a film or one season of a series. Views are hours viewed divided by the title's running time.
-- The events are a sample: unit_ms milliseconds of play stand for 100,000 hours.
--
--   millrace run report.sql --set events=events.ndjson --set catalogue=catalogue.ndjson --set out=. --once
--
-- Variables: events, catalogue   NDJSON files that are loaded at the start (none: the streams are fed over HTTP)
--            partitions          of the stream of events
--            window_start_ms, window_end_ms   the half-year, in ms since 1970, UTC
--            unit_ms             ms of play for 100,000 hours
--            out                 the folder that gets report.parquet (none: nothing is written)

-- What the players send, as it arrives: some of it twice, late, out of order or with holes. What is no event at all goes to
-- playback_dead. server_ts (arrival) and client_ts (the device's clock) must not be used for counting: event time is
-- the server-issued start of the session plus the device's monotonic clock.
CREATE STREAM playback (
  event_id VARCHAR,
  type VARCHAR,               -- start, heartbeat, pause, resume, stop
  state VARCHAR,              -- of the player after the event: playing, paused, stopped
  session_id VARCHAR,         -- one title on one device, once
  seq INTEGER,                -- of the event in its session, from 0
  account_id VARCHAR,
  profile_id VARCHAR,
  title_id VARCHAR,
  video_id VARCHAR,           -- the episode or the cut
  play_kind VARCHAR,          -- main, preview
  device VARCHAR,
  country VARCHAR,
  session_epoch_ms BIGINT,
  mono_ms BIGINT,
  client_ts BIGINT,
  position_ms BIGINT,
  played_ms BIGINT,
  server_ts BIGINT
) WITH (format = 'json', partitions = ${partitions:-4}, key = 'session_id', message_id = 'event_id', load = '${events:-}');

CREATE TABLE catalogue (
  title_id VARCHAR PRIMARY KEY,
  title VARCHAR,              -- two titles can share a name
  kind VARCHAR,               -- Show, Movie
  available_globally VARCHAR,
  release_date VARCHAR,
  runtime_label VARCHAR,      -- as printed, e.g. 3:50
  runtime_h DOUBLE            -- the hours to divide by, e.g. 3.8333
) WITH (format = 'json', load = '${catalogue:-}');

-- One row per event: the first copy counts.
CREATE MATERIALIZED VIEW events AS
SELECT DISTINCT ON (session_id, seq)
  session_id, seq, title_id, play_kind, state, session_epoch_ms + mono_ms AS at_ms
FROM playback;

-- From one event of a session to the next, by seq and never by arrival, the player was in the state that the earlier one
-- reports. Nothing is known before the first event and after the last one.
CREATE MATERIALIZED VIEW spans AS
SELECT
  title_id, play_kind, state,
  at_ms AS from_ms,
  lead(at_ms) OVER (PARTITION BY session_id ORDER BY seq) AS to_ms
FROM events;

-- What counts: main plays while they were playing.
CREATE MATERIALIZED VIEW plays AS
SELECT title_id, from_ms, to_ms
FROM spans
WHERE play_kind = 'main' AND state = 'playing' AND from_ms < to_ms;

-- The time of each title inside the window; what lies outside belongs to its neighbours.
CREATE MATERIALIZED VIEW title_time AS
SELECT title_id, credited_ms
FROM (
  SELECT
    title_id,
    CAST(sum(least(to_ms, ${window_end_ms:-1751328000000}) - greatest(from_ms, ${window_start_ms:-1735689600000})) AS BIGINT)
      AS credited_ms
  FROM plays
  WHERE from_ms < ${window_end_ms:-1751328000000} AND to_ms > ${window_start_ms:-1735689600000}
  GROUP BY title_id
) AS played
JOIN catalogue USING (title_id);

-- The same per week, for every week that touches the window. Weeks begin on Monday 00:00 UTC (345,600,000 ms is Monday
-- 1970-01-05) and last 604,800,000 ms.
CREATE MATERIALIZED VIEW title_week AS
SELECT title_id, week_start_ms, credited_ms
FROM (
  SELECT
    title_id, week_start_ms,
    CAST(sum(least(to_ms, week_start_ms + 604800000) - greatest(from_ms, week_start_ms)) AS BIGINT) AS credited_ms
  FROM (
    SELECT
      title_id, from_ms, to_ms,
      unnest(range(from_ms - (from_ms - 345600000) % 604800000, to_ms, 604800000)) AS week_start_ms
    FROM plays
  ) AS weeks
  WHERE week_start_ms < ${window_end_ms:-1751328000000} AND week_start_ms + 604800000 > ${window_start_ms:-1735689600000}
  GROUP BY title_id, week_start_ms
) AS played
JOIN catalogue USING (title_id);

-- Events of titles that the catalogue does not hold are counted, never dropped in silence.
CREATE MATERIALIZED VIEW unmatched AS
SELECT seen.title_id, seen.events
FROM (SELECT title_id, count(*) AS events FROM events GROUP BY title_id) AS seen
LEFT JOIN catalogue ON seen.title_id = catalogue.title_id
WHERE catalogue.title_id IS NULL;

-- The published arithmetic: hours to the next 100,000; views = hours / running time, in doubles, to the next 100,000;
-- listed is what reaches 50,000 views; shows and films are ranked apart, by views, then by hours.
CREATE MATERIALIZED VIEW report AS
SELECT
  kind,
  rank() OVER (PARTITION BY kind ORDER BY views DESC, hours_viewed DESC) AS rank,
  title, available_globally, release_date, runtime_label, hours_viewed, views
FROM (
  SELECT
    kind, title, available_globally, release_date, runtime_label, hours_viewed,
    CAST(floor(hours_viewed / nullif(runtime_h, 0) / 100000 + 0.5) AS BIGINT) * 100000 AS views
  FROM (
    SELECT title_id, (2 * credited_ms + ${unit_ms:-200000}) // (2 * ${unit_ms:-200000}) * 100000 AS hours_viewed
    FROM title_time
  ) AS hours
  JOIN catalogue USING (title_id)
) AS counted
WHERE views >= 100000;

CREATE SINK report_file FROM report
WITH (connector = 'file', format = 'parquet', path = '${out:-}', mode = 'snapshot');
