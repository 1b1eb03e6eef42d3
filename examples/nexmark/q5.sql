-- Which auctions got the most bids in the last 10 seconds, every 2 seconds?
CREATE MATERIALIZED VIEW q5 AS
  WITH counts AS (
    SELECT auction, count(*) AS num, window_start, window_end
    FROM hop(bid, dateTime, INTERVAL 2 SECOND, INTERVAL 10 SECOND) GROUP BY auction, window_start, window_end)
  SELECT c.auction, c.num
  FROM counts c
  JOIN (SELECT max(num) AS maxn, window_start, window_end FROM counts GROUP BY window_start, window_end) m
    ON c.window_start = m.window_start AND c.window_end = m.window_end AND c.num >= m.maxn;
