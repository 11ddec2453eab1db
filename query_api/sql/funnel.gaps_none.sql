-- funnel.gaps_none: user_events with nothing hidden between two neighbours.  Caller: query_api/funnel_sql.py chains_sql()
-- Params: fragment user_events
-- Rows:   those of user_events and gaps Array(UInt64) of zeros, ranks Array: 1, 2, 3 …
-- Source: DESIGN-funnel.md, "Gaps".
SELECT
    *,
    arrayMap(mask -> toUInt64(0), masks) AS gaps,
    arrayEnumerate(masks) AS ranks
FROM
(
    {{user_events}}
)
