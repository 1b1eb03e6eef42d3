-- The highest bids of each 10 seconds.
CREATE MATERIALIZED VIEW q7 AS
  SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra
  FROM bid b
  JOIN (SELECT max(price) AS maxprice, window_end FROM tumble(bid, dateTime, INTERVAL 10 SECOND)
        GROUP BY window_start, window_end) m
    ON b.price = m.maxprice
  WHERE b.dateTime BETWEEN m.window_end - INTERVAL 10 SECOND AND m.window_end;
