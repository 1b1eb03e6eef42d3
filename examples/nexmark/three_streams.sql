-- The events of Nexmark as three streams: in place of streams.sql, for all queries but q12.
CREATE STREAM person (
  id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, dateTime TIMESTAMP,
  extra VARCHAR, WATERMARK FOR dateTime AS dateTime - INTERVAL 4 SECOND
) WITH (connector = 'nexmark', type = 'person', format = '${format:-json}', events = ${events:-100000}, rate = ${rate:-10000});

CREATE STREAM auction (
  id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP,
  expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR,
  WATERMARK FOR dateTime AS dateTime - INTERVAL 4 SECOND
) WITH (connector = 'nexmark', type = 'auction', format = '${format:-json}', events = ${events:-100000}, rate = ${rate:-10000});

CREATE STREAM bid (
  auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, extra VARCHAR,
  WATERMARK FOR dateTime AS dateTime - INTERVAL 4 SECOND
) WITH (connector = 'nexmark', type = 'bid', format = '${format:-json}', events = ${events:-100000}, rate = ${rate:-10000});
