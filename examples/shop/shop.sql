-- A shop: orders and clicks come in, and four questions are answered all the time.
CREATE STREAM orders (
  order_id BIGINT, customer VARCHAR, item VARCHAR, amount DECIMAL(10, 2), ordered_at TIMESTAMP,
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL 30 SECOND   -- orders may be half a minute late
) WITH (message_id = 'order_id');

CREATE STREAM clicks (customer VARCHAR, item VARCHAR, action VARCHAR, clicked_at TIMESTAMP);   -- action: view, cart

-- What came in each minute, once the minute is over. Orders that came later still: SELECT * FROM revenue_late.
CREATE MATERIALIZED VIEW revenue AS
SELECT window_start AS minute, count(*) AS orders, sum(amount) AS revenue
FROM tumble(orders, ordered_at, INTERVAL 1 MINUTE) GROUP BY window_start
EMIT ON WINDOW CLOSE;

-- What was put into a cart and not bought by the same customer.
CREATE MATERIALIZED VIEW abandoned_carts AS
SELECT DISTINCT carts.customer, carts.item
FROM clicks AS carts LEFT JOIN orders ON carts.customer = orders.customer AND carts.item = orders.item
WHERE carts.action = 'cart' AND orders.order_id IS NULL;

-- The ten items that brought most.
CREATE MATERIALIZED VIEW best_sellers AS
SELECT item, count(*) AS orders, sum(amount) AS revenue
FROM orders GROUP BY item ORDER BY revenue DESC, item LIMIT 10;
