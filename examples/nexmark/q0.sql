-- All bids as they are: what it costs to pass rows on.
CREATE MATERIALIZED VIEW q0 AS SELECT auction, bidder, price, dateTime, extra FROM bid;
