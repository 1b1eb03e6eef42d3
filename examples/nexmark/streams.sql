-- The events of Nexmark as one stream, and its three parts. Each qN.sql adds one query of the benchmark:
--   cat streams.sql q5.sql > run.sql && millrace run run.sql --set events=1000000
CREATE STREAM nexmark (
  event_type INTEGER,
  person STRUCT(id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR,
                dateTime TIMESTAMP, extra VARCHAR),
  auction STRUCT(id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT,
                 dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR),
  bid STRUCT(auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP,
             extra VARCHAR),
  dateTime TIMESTAMP,
  WATERMARK FOR dateTime AS dateTime - INTERVAL 4 SECOND
) WITH (connector = 'nexmark', format = '${format:-json}', events = ${events:-100000}, rate = ${rate:-10000});

CREATE VIEW person AS
  SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, dateTime,
         person.extra
  FROM nexmark WHERE event_type = 0;

CREATE VIEW auction AS
  SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, dateTime,
         auction.expires, auction.seller, auction.category, auction.extra
  FROM nexmark WHERE event_type = 1;

CREATE VIEW bid AS
  SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, dateTime, bid.extra
  FROM nexmark WHERE event_type = 2;
