-- erased_ids: tombstones of ids whose person was erased. Events of such an id up to erased_at are not stored again, and bind
-- nothing; what the person does later is new. Only the 64-bit key stays, not the id.
CREATE TABLE IF NOT EXISTS erased_ids
(
    id_key UInt64,
    erased_at DateTime64(3, 'UTC'),
    receipt_id String,
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY id_key
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- privacy_receipts: what was erased or handed out and when, without ids: the proof that stays.
CREATE TABLE IF NOT EXISTS privacy_receipts
(
    receipt_id String,
    action LowCardinality(String) COMMENT 'erase or export',
    project LowCardinality(String),
    done_at DateTime64(3, 'UTC'),
    ids UInt32 COMMENT 'ids of the person',
    rows Map(String, UInt64) COMMENT 'table to rows erased or handed out'
)
ENGINE = MergeTree
ORDER BY (project, done_at, receipt_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
