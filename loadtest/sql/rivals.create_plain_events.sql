-- rivals.create_plain_events: the table somebody makes who posts events straight to ClickHouse.  Caller: loadtest/rivals.py
-- Params: none
-- Rows:   none
-- Source: as durable as the collector's tables (fsync), no deduplication, properties kept as text
CREATE TABLE IF NOT EXISTS plain_events
(
    app_id LowCardinality(String),
    platform LowCardinality(String),
    event LowCardinality(String),
    event_id String,
    occurred_at UInt64,
    anonymous_id String,
    openid String,
    session_id String,
    seq UInt32,
    scene LowCardinality(String),
    page LowCardinality(String),
    page_query String,
    properties String
)
ENGINE = MergeTree
ORDER BY (app_id, event, occurred_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
