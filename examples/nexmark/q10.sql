-- All bids to files, with their day and minute.
CREATE MATERIALIZED VIEW q10 AS
  SELECT auction, bidder, price, dateTime, extra, strftime(dateTime, '%Y-%m-%d') AS dt, strftime(dateTime, '%H:%M') AS hm
  FROM bid;

CREATE SINK q10_files FROM q10 WITH (connector = 'file', format = 'csv', path = '${q10_path:-}', roll_age = '1 minute');
