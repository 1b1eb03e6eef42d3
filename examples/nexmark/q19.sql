-- The ten highest bids on each auction.
CREATE MATERIALIZED VIEW q19 AS
  SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number
  FROM bid QUALIFY rank_number <= 10;
