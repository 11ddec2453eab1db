-- events: a part of the open week grows no further than this by merges, so that its rows are not rewritten once more for each
-- tenfold growth of the week; a week in which nothing has arrived for ten minutes is merged whole all the same. Raised for large
-- weeks by collector/part_sizes.py; what was measured: DESIGN-schema.md, "Columns and parts".
ALTER TABLE events MODIFY SETTING
    max_bytes_to_merge_at_max_space_in_pool = 268435456,
    enable_max_bytes_limit_for_min_age_to_force_merge = 0;
