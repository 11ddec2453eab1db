-- ltv.cohorts: the users of all cohorts.  Caller: query_api/ltv.py _top()
-- Params: those of ltv.cells; fragment cells
-- Rows:   those of ltv.cells, one for each user
SELECT key
FROM
(
    {{cells}}
)
WHERE cell = -1
