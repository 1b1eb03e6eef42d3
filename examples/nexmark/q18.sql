-- The last bid of each bidder on each auction.
CREATE MATERIALIZED VIEW q18 AS
  SELECT auction, bidder, price, channel, url, dateTime, extra
  FROM bid QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) <= 1;
