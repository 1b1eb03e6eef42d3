-- Who joined and put up an auction within the same 10 seconds?
CREATE MATERIALIZED VIEW q8 AS
  SELECT p.id, p.name, p.window_start
  FROM (SELECT id, name, window_start, window_end FROM tumble(person, dateTime, INTERVAL 10 SECOND)
        GROUP BY id, name, window_start, window_end) p
  JOIN (SELECT seller, window_start, window_end FROM tumble(auction, dateTime, INTERVAL 10 SECOND)
        GROUP BY seller, window_start, window_end) a
    ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end;
