-- users.page: one page of the users of a cell.  Caller: query_api/report.py users()
-- Params: after UInt64 (last user of the page before, 0 for the first), page_limit UInt32; fragment users (a SELECT of user)
-- Rows:   user UInt64 ascending, total UInt64 (users of the whole cell)
-- Source: the fragment is the inner SELECT that the report counts, so total is the cell's number.
SELECT
    user,
    total
FROM
(
    SELECT
        user,
        count() OVER () AS total
    FROM
    (
        {{users}}
    )
)
WHERE user > {after:UInt64} OR {after:UInt64} = 0
ORDER BY user
LIMIT {page_limit:UInt32}
