-- stickiness.parts_by_actor: as stickiness.parts, from those of actors.  Caller: query_api/stickiness.py _parts()
-- Params: those of stickiness.parts; fragment parts (by_actor.py: bucket, unit, day, and events of each)
-- Rows:   those of stickiness.parts, but a user, unit and day may have several rows, whose events are added up by those who read them; the
--         key is ''
-- Source: stickiness.active and stickiness.rolling group by user anyway.
SELECT
    user,
    bucket,
    unit,
    day,
    events,
    '' AS part_key,
    '' AS part_order
FROM
(
    {{parts}}
)
