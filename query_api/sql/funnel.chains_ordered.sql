-- funnel.chains_ordered: each user's deepest, then earliest chain; any other events may lie between.
-- Caller: query_api/funnel_sql.py chains_sql(), for order "ordered" without exclusions and hold_constant
-- Params: window_ms Int64; fragments levels (funnel.levels of all steps), latest (its columns), firsts (of each of them the
--         first position that is not 0)
-- Rows:   those of user_events and level UInt8, chain Array(UInt64): positions of e1 to e(level)
-- Source: DESIGN-funnel.md, "Ordered".
SELECT
    *,
    arrayFold(
        (chain, step) -> arrayPushBack(
            chain,
            chain[-1] + arrayFirstIndex(mask -> bitTest(mask, step), arraySlice(masks, chain[-1] + 1))
        ),
        range(1, level),
        [toUInt64(arrayFirstIndex((now_ms, mask) -> bitTest(mask, 0) AND now_ms >= earliest_ms, at_ms, masks))]
    ) AS chain
FROM
(
    SELECT
        *,
        at_ms[firsts[level]] - {window_ms:Int64} AS earliest_ms
    FROM
    (
        SELECT
            *,
            toUInt8(arrayCount(first -> first != 0, firsts)) AS level
        FROM
        (
            SELECT
                * EXCEPT ({{latest}}),
                [{{firsts}}] AS firsts
            FROM
            (
                {{levels}}
            )
        )
    )
)
