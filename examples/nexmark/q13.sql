-- Bids with what a table says of their auction.
CREATE TABLE side_input (key BIGINT PRIMARY KEY, value VARCHAR);

CREATE MATERIALIZED VIEW q13 AS
  SELECT b.auction, b.bidder, b.price, b.dateTime, s.value
  FROM bid b JOIN side_input s ON b.auction % 10000 = s.key;
