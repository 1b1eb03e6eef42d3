-- A shop: orders and clicks come in, and four questions are answered all the time.
CREATE STREAM orders (
  order_id BIGINT, customer VARCHAR, item VARCHAR, amount INTEGER, ts TIMESTAMP,
  WATERMARK FOR ts AS ts - INTERVAL 30 SECOND            -- orders may be half a minute late
) WITH (message_id = 'order_id');

CREATE STREAM clicks (customer VARCHAR, item VARCHAR, action VARCHAR, ts TIMESTAMP);   -- action: view, cart

-- What comes in each minute, once the minute is over. Orders that are later still: SELECT * FROM revenue_late.
CREATE MATERIALIZED VIEW revenue AS
SELECT window_start AS minute, count(*) AS orders, sum(amount)::BIGINT AS revenue
FROM tumble(orders, ts, INTERVAL 1 MINUTE) GROUP BY window_start
EMIT ON WINDOW CLOSE;

-- What was put into a cart and not bought by the same customer.
CREATE MATERIALIZED VIEW abandoned AS
SELECT DISTINCT carts.customer, carts.item
FROM clicks AS carts LEFT JOIN orders ON carts.customer = orders.customer AND carts.item = orders.item
WHERE carts.action = 'cart' AND orders.order_id IS NULL;

-- The ten items that brought most.
CREATE MATERIALIZED VIEW top_items AS
SELECT item, sum(amount)::BIGINT AS revenue, count(*) AS orders
FROM orders GROUP BY item ORDER BY revenue DESC, item LIMIT 10;
