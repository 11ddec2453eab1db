-- retention.counts: users of every cell.  Caller: query_api/retention.py answer()
-- Params: those of retention.cells; fragment cells
-- Rows:   cohort UInt16, key String (packed), cell Int32, users UInt64; cells without users are absent
SELECT
    cohort,
    key,
    cell,
    count() AS users
FROM
(
    {{cells}}
)
GROUP BY
    cohort,
    key,
    cell
