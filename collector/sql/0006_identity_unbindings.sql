-- identity_unbindings: pairs of ids that a person took apart, appended and never changed; written once from either side.
-- A binding counts only if its event lies after the last unbinding of its pair.
CREATE TABLE IF NOT EXISTS identity_unbindings
(
    id_key UInt64,
    other_key UInt64,
    project LowCardinality(String),
    unbound_at DateTime64(3, 'UTC'),
    reason String,
    unbound_by LowCardinality(String) COMMENT 'token_id of the read token, or cli',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (id_key, other_key, unbound_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
