-- segments.refresh: whether the query API takes a snapshot of each day once it has ended.
ALTER TABLE segments ADD COLUMN IF NOT EXISTS refresh LowCardinality(String) DEFAULT 'never' COMMENT 'never or daily';
