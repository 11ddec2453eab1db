-- identity_bindings: two ids that stood together in an event, appended and never changed: the evidence. Each binding is
-- written once from either side, so that all bindings of an id are neighbours.
-- A key is xxh3_64 of project, kind, app_id ('' for user_id and unionid, which hold within the project) and the id.
CREATE TABLE IF NOT EXISTS identity_bindings
(
    id_key UInt64,
    other_key UInt64,
    project LowCardinality(String),
    kind LowCardinality(String) COMMENT 'user_id, unionid, openid or anonymous_id',
    app_id LowCardinality(String),
    id String,
    other_kind LowCardinality(String),
    other_app_id LowCardinality(String),
    other_id String,
    occurred_at DateTime64(3, 'UTC') COMMENT 'of the source event, corrected',
    seq UInt32,
    event_id String,
    event_app_id LowCardinality(String),
    received_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (id_key, other_key, occurred_at, seq, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- identity_map: the person of each bound id, derived from identity_bindings and rebuilt for the ids whose bindings changed.
-- An id that is absent here is a person by itself (person = id_key).
CREATE TABLE IF NOT EXISTS identity_map
(
    id_key UInt64,
    person UInt64 COMMENT 'latest: key of the strongest id of the person',
    strict_from Array(Int64) COMMENT 'strict: epoch ms from which strict_person holds; before the first, the id alone',
    strict_person Array(UInt64),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id_key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- identity_conflicts: bindings that would have merged two user_ids, two unionids or two openids of one app.
CREATE TABLE IF NOT EXISTS identity_conflicts
(
    project LowCardinality(String),
    id_key UInt64,
    other_key UInt64,
    kind LowCardinality(String),
    id String,
    other_kind LowCardinality(String),
    other_id String,
    reason LowCardinality(String) COMMENT 'the kind of id that both sides already have',
    occurred_at DateTime64(3, 'UTC'),
    event_id String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, id_key, other_key)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
