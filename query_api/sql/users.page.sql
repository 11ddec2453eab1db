-- users.page: one page of the users of a cell.  Caller: query_api/report.py users_page()
-- Params: after UInt64 (last user of the page before, 0 for the first), page_limit UInt32; fragment users (a SELECT of user)
-- Rows:   user UInt64 ascending, total UInt64 (users of the whole cell); the cell's first user also where it lies before the page
-- Source: the fragment is the inner SELECT that the report counts, so total is the cell's number.
SELECT
    user,
    total
FROM
(
    SELECT
        user,
        count() OVER () AS total,
        min(user) OVER () AS first_user
    FROM
    (
        {{users}}
    )
)
WHERE user > {after:UInt64} OR {after:UInt64} = 0 OR user = first_user
ORDER BY user
LIMIT {page_limit:UInt32}
