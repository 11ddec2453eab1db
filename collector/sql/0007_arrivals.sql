-- arrivals: when the newest event of each app came in, kept by ClickHouse itself, so that no report has to scan for it.
CREATE TABLE IF NOT EXISTS arrivals
(
    app_id LowCardinality(String),
    received_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY app_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS arrivals_of_events TO arrivals AS
SELECT
    app_id,
    max(received_at) AS received_at
FROM events
GROUP BY app_id;

-- What was stored before this table existed; a maximum may be taken twice.
INSERT INTO arrivals
SELECT
    app_id,
    max(received_at) AS received_at
FROM events
GROUP BY app_id;
