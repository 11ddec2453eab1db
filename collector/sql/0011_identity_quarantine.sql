-- identity_quarantine: ids that are no person's: a bot, a shop's tablet, a test device. An id that stood with more than 20 ids of
-- a kind of which a person has only one binds nothing from then on, also not what it bound before. Appended, never changed.
CREATE TABLE IF NOT EXISTS identity_quarantine
(
    id_key UInt64,
    project LowCardinality(String),
    kind LowCardinality(String),
    app_id LowCardinality(String),
    id String,
    crowded_kind LowCardinality(String) COMMENT 'the kind of id that it stood with too many of',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY id_key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
