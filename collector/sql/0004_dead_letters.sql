-- dead_letters: events that were refused, with the reason and the raw text, kept for repair.
CREATE TABLE IF NOT EXISTS dead_letters
(
    project LowCardinality(String),
    app_id LowCardinality(String),
    received_at DateTime64(3, 'UTC'),
    request_id String,
    event_index UInt32,
    event_id String,
    code LowCardinality(String),
    path String,
    message String,
    raw String CODEC(ZSTD(3)) COMMENT 'the event as received; the envelope stands in `envelope`',
    envelope String CODEC(ZSTD(3)),
    redriven_at DateTime64(3, 'UTC') DEFAULT 0,
    version UInt64 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(received_at)
ORDER BY (app_id, received_at, request_id, event_index)
TTL toDateTime(received_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
