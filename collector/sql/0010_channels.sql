-- qr_codes: the registry of printed codes, one row for each version; a deleted one is a version with is_deleted = 1.
CREATE TABLE IF NOT EXISTS qr_codes
(
    project LowCardinality(String),
    app_id LowCardinality(String),
    code_id String COMMENT 'what a launch carries, decoded: scene of a mini-program code, or the link q of a QR code',
    label String,
    store String,
    city String,
    placement String,
    valid_from Nullable(DateTime64(3, 'UTC')),
    valid_to Nullable(DateTime64(3, 'UTC')) COMMENT 'excluded',
    updated_by LowCardinality(String) COMMENT 'token_id of the read token',
    version UInt64 COMMENT 'epoch ms of this version',
    is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, app_id, code_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- costs: what a channel cost on a day; a row imported again under the same key replaces the one before.
CREATE TABLE IF NOT EXISTS costs
(
    project LowCardinality(String),
    app_id LowCardinality(String),
    day Date COMMENT 'of the account that was billed',
    key_fields Array(LowCardinality(String)) COMMENT 'what names the channel, such as utm.source; in ascending order',
    key_values Array(String),
    amount Decimal(18, 4),
    currency LowCardinality(String) COMMENT 'ISO 4217',
    clicks UInt64,
    impressions UInt64,
    imported_by LowCardinality(String) COMMENT 'token_id of the read token',
    version UInt64 COMMENT 'epoch ms of this version',
    is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, app_id, day, key_fields, key_values)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- messages: what was sent to whom to call them back, and who was held out; without the ids, only their keys.
CREATE TABLE IF NOT EXISTS messages
(
    project LowCardinality(String),
    app_id LowCardinality(String),
    message_id String,
    campaign String,
    actor UInt64 COMMENT 'key of the id; identity_map gives its person',
    arm LowCardinality(String) COMMENT 'treated or hold_out',
    sent_at DateTime64(3, 'UTC') COMMENT 'hold_out: when it would have been sent',
    delivered Nullable(UInt8) COMMENT 'NULL: not known',
    imported_by LowCardinality(String) COMMENT 'token_id of the read token',
    version UInt64 COMMENT 'epoch ms of this version',
    is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (project, app_id, message_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
