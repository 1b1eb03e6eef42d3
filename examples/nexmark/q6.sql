-- The mean price of each seller's last ten closed auctions.
CREATE MATERIALIZED VIEW q6 AS
  SELECT seller, id, avg(price) OVER (PARTITION BY seller ORDER BY dateTime, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS avg_price
  FROM (SELECT a.id, a.seller, b.price, b.dateTime
        FROM auction a JOIN bid b ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
        QUALIFY row_number() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC, b.dateTime) <= 1);
