-- funnel.first_entry: user_events in which only the first event that may begin a chain does.
-- Caller: query_api/funnel_sql.py users_sql(), for entry "first"
-- Params: fragment user_events
-- Rows:   those of user_events; bit 0 of masks only at the first place that has it
-- Source: DESIGN-funnel.md, "Declared axes".
SELECT
    * EXCEPT (first_place)
        REPLACE (
            arrayMap((mask, place) -> if(place > first_place, bitAnd(mask, bitNot(toUInt64(1))), mask), masks, arrayEnumerate(masks))
            AS masks
        )
FROM
(
    SELECT
        *,
        arrayFirstIndex(mask -> bitTest(mask, 0), masks) AS first_place
    FROM
    (
        {{user_events}}
    )
)
