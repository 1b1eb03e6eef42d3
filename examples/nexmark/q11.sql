-- How many bids in each session of a bidder? A session ends with 10 seconds without a bid.
CREATE MATERIALIZED VIEW q11 AS
  SELECT bidder, count(*) AS bid_count, window_start, window_end
  FROM session(bid, dateTime, INTERVAL 10 SECOND, partition_by := [bidder])
  GROUP BY bidder, window_start, window_end;
