-- stickiness.parts_by_actor: as stickiness.parts, from those of actors.  Caller: query_api/stickiness.py _parts()
-- Params: those of stickiness.parts; fragments parts (by_actor.py: bucket, unit, day, events of each, and per_user.first_of_actor), of_part (part_key
--         and part_order)
-- Rows:   those of stickiness.parts, but a user, unit and day may have several rows, which are put together by those who read them
-- Source: stickiness.active and stickiness.rolling group by user anyway.
SELECT
    user,
    bucket,
    unit,
    day,
    events,
    {{of_part}}
FROM
(
    {{parts}}
)
