-- segments: rules that people store, one row for each version; a deleted one is a version with is_deleted = 1.
CREATE TABLE IF NOT EXISTS segments
(
    project LowCardinality(String),
    segment_id String COMMENT 'seg_ and 16 hex digits',
    name String,
    rule String COMMENT 'JSON, as POST /v1/segments took it',
    app_ids Array(String) COMMENT 'apps whose events the rule reads',
    timezone LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    created_by LowCardinality(String) COMMENT 'token_id of the read token',
    version UInt64 COMMENT 'epoch ms of this version',
    is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, segment_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- segment_users: the users of a snapshot. Rows count only where segment_snapshots names their snapshot_id.
CREATE TABLE IF NOT EXISTS segment_users
(
    project LowCardinality(String),
    segment_id String,
    snapshot_id UInt64 COMMENT 'epoch ms at which it was taken',
    user UInt64 COMMENT 'the person then; resolve through identity_map, since persons merge'
)
ENGINE = ReplacingMergeTree
ORDER BY (project, segment_id, snapshot_id, user)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- segment_snapshots: which snapshot of a segment holds for a date; written after its users, so that half a one never counts.
CREATE TABLE IF NOT EXISTS segment_snapshots
(
    project LowCardinality(String),
    segment_id String,
    date Date COMMENT 'the rule was asked at the end of this day in the zone of the segment',
    snapshot_id UInt64,
    users UInt64,
    taken_by LowCardinality(String) COMMENT 'token_id of the read token'
)
ENGINE = ReplacingMergeTree(snapshot_id)
ORDER BY (project, segment_id, date)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
