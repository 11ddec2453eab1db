-- scenes: the dictionary of entry scenes as data; filled from sdk_spec/scenes.v1.json after the migrations.
-- The key of a scene is (platform, scene): 1001 means different things on WeChat, QQ and Alipay.
CREATE TABLE IF NOT EXISTS scenes
(
    scheme LowCardinality(String),
    scheme_version LowCardinality(String),
    platform LowCardinality(String),
    scene String,
    scene_name String,
    scene_group LowCardinality(String),
    loaded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(loaded_at)
ORDER BY (scheme, platform, scene);
