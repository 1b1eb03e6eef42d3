-- How many bids of a bidder in each 10 seconds by the clock of the node?
CREATE MATERIALIZED VIEW q12 AS
  SELECT bid.bidder AS bidder, count(*) AS bid_count, window_start, window_end
  FROM tumble(nexmark, _append_time, INTERVAL 10 SECOND) WHERE event_type = 2
  GROUP BY ALL;
