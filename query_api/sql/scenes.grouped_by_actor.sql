-- scenes.grouped_by_actor: the same, added up by actor first.  Caller: query_api/scenes.py _by_actor()
-- Params: fragments entries and others (by_actor.rows of scenes.entry_parts and scenes.other_parts)
-- Rows:   those of scenes.grouped
-- Source: each event is read once, as an entry or as another, and only entries become order keys: three quarters of the work of
--         scenes.grouped (DESIGN-reports.md).
SELECT
    min(part.first_ms) AS first_ms,
    max(part.last_ms) AS last_ms,
    sum(part.views) AS views,
    min(part.first_entry) AS first_entry,
    min(part.first_mirrored) AS first_mirrored
FROM
(
    SELECT
        user,
        session,
        first_ms,
        last_ms,
        toUInt64(0) AS views,
        first_entry,
        first_mirrored,
        toBool(true) AS has_entry
    FROM
    (
        {{entries}}
    )
    UNION ALL
    SELECT
        user,
        session,
        first_ms,
        last_ms,
        views,
        bitNot(toUInt128(0)),
        bitNot(toUInt128(0)),
        toBool(false)
    FROM
    (
        {{others}}
    )
) AS part
GROUP BY
    user,
    session
HAVING max(part.has_entry)
