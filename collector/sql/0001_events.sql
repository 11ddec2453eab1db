-- events: one row per event as sent, with the corrected time. The only big table; see DESIGN-schema.md for what was measured.
--
-- Duplicates: rows with the same sort key are one event (read with FINAL); the first received wins, since `precedence` falls
-- with time. The key holds only what the client fixed when it made the event, so a retry with another envelope, another
-- sent_at or another corrected time collapses into the first. A changed copy under the same event_id never gets here: the
-- writer looks ids up in `event_ids` first.
-- Partitions: the client's own week, for the same reason; years before 2026 and one partition from 2032 on, so that one
-- request with mad clocks cannot make thousands of parts (325 at most). Queries filter on the corrected `occurred_at`; its minmax index
-- skips the rest.
-- Absent texts are '', absent numbers 0 unless Nullable. Times are UTC.
CREATE TABLE IF NOT EXISTS events
(
    project LowCardinality(String),
    app_id LowCardinality(String),
    platform LowCardinality(String),
    event LowCardinality(String),
    event_id String CODEC(ZSTD(1)),
    event_key UInt64 CODEC(NONE) COMMENT 'xxh3_64 of app_id, 0x1f, event_id',
    actor UInt64 CODEC(ZSTD(1)) COMMENT 'key of the strongest id; identity_map gives its person',
    occurred_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'after clock correction',
    client_occurred_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'as the client sent it',
    sent_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    precedence UInt64 CODEC(Delta, ZSTD(1)) COMMENT '2^63 minus received_at in ms',
    clock LowCardinality(String) COMMENT 'ok, shifted (whole batch) or future (stored at received_at)',
    seq UInt32 CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    anonymous_id String CODEC(ZSTD(1)),
    openid String CODEC(ZSTD(1)),
    unionid String CODEC(ZSTD(1)),
    user_id String CODEC(ZSTD(1)),
    scene LowCardinality(String),
    page LowCardinality(String),
    page_query String CODEC(ZSTD(1)),
    referrer_page LowCardinality(String),
    referrer_app_id LowCardinality(String),
    share_id String CODEC(ZSTD(1)),
    share_ticket String CODEC(ZSTD(1)),
    chat_type Nullable(Int16) CODEC(ZSTD(1)),
    group_id String CODEC(ZSTD(1)),
    utm_source LowCardinality(String),
    utm_medium LowCardinality(String),
    utm_campaign LowCardinality(String),
    utm_term LowCardinality(String),
    utm_content LowCardinality(String),
    duration_ms Nullable(UInt32) CODEC(ZSTD(1)),
    device_brand LowCardinality(String),
    device_model LowCardinality(String),
    device_os LowCardinality(String),
    device_os_version LowCardinality(String),
    device_host_version LowCardinality(String),
    device_base_library_version LowCardinality(String),
    device_language LowCardinality(String),
    device_network_type LowCardinality(String),
    device_screen_width UInt32 CODEC(ZSTD(1)),
    device_screen_height UInt32 CODEC(ZSTD(1)),
    app_version LowCardinality(String),
    env_version LowCardinality(String),
    sdk_name LowCardinality(String),
    sdk_version LowCardinality(String),
    -- One map per type, so that "10", 10 and true stay three different values. Nulls are not stored. Integers beyond 2^53
    -- stand in properties_number (rounded) and in properties_text (exact).
    properties_text Map(String, String) CODEC(ZSTD(1)),
    properties_number Map(String, Float64) CODEC(ZSTD(1)),
    properties_flag Map(String, Bool) CODEC(ZSTD(1)),
    properties_list Map(String, Array(String)) CODEC(ZSTD(1)),
    INDEX occurred_at_minmax occurred_at TYPE minmax GRANULARITY 1,
    INDEX actor_bloom actor TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY multiIf(
    client_occurred_at < toDateTime64('2026-01-01', 3, 'UTC'), toStartOfYear(client_occurred_at),
    client_occurred_at < toDateTime64('2032-01-01', 3, 'UTC'), toMonday(client_occurred_at),
    toDate('2032-01-01')
)
ORDER BY (app_id, event, client_occurred_at, event_key)
SETTINGS
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    -- Fresh blocks as compact parts: half the cost of an insert; merged ones are wide.
    min_bytes_for_wide_part = 268435456,
    -- A query that reads one property reads one bucket of the map, not the whole.
    map_serialization_version = 'with_buckets',
    min_age_to_force_merge_seconds = 600,
    min_age_to_force_merge_on_partition_only = 1;
