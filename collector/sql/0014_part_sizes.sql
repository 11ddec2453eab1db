-- events: a part of the open week grows no further than this by merges, so that the cost of an event does not grow with its week;
-- a week in which nothing has arrived for ten minutes is merged whole all the same. Raised for large weeks by
-- collector/part_sizes.py; what was measured: DESIGN-schema.md, "Columns and parts". What stays of the open week for days is
-- wide, so that a query reads its columns only: from a quarter of the bound on.
ALTER TABLE events MODIFY SETTING
    max_bytes_to_merge_at_max_space_in_pool = 268435456,
    enable_max_bytes_limit_for_min_age_to_force_merge = 0,
    min_bytes_for_wide_part = 67108864;
