-- event_ids: which (app_id, event_id) are stored, for ever. Written by the writer after the events of a block are
-- acknowledged, never before: a key in here means its event is in `events`.
CREATE TABLE IF NOT EXISTS event_ids
(
    event_key UInt64 CODEC(NONE) COMMENT 'as in events'
)
ENGINE = ReplacingMergeTree
ORDER BY event_key
SETTINGS
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1;
