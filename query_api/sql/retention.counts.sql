-- retention.counts: users of every cell, and its measure.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragments shown (retention.alike, with per_user.shown), returns (a pattern as an array), cells
--         (retention.cells, or retention.cells_measured), measured (retention.measured_sums, or nothing)
-- Rows:   cohort UInt16, key String (packed), cell Int32, number UInt64: of the users of cell -1 (is in the cohort), n (in the n-th
--         column) or 1000 + n (returned for the first time n periods after the cohort's); of the measured events of cell
--         100000 + n (n periods after the cohort's), or the users with one of cell 99998 - n (in the n-th column); of a measure amount
--         (the sum), least, most Float64. Cells without any are absent
-- Source: a user stands in a cohort under one key, so "other" is a sum.
SELECT
    cohort,
    key,
    cell,
    sum(pattern_users) AS number{{measured}}
FROM
(
    SELECT
        * EXCEPT (returns),
        arrayJoin({{cells}}) AS cell
    FROM
    (
        SELECT
            *,
            {{returns}} AS returns
        FROM
        (
            {{shown}}
        )
    )
)
GROUP BY
    cohort,
    key,
    cell
SETTINGS enable_materialized_cte = 1
