-- project_tables.page: one page of a list.  Caller: query_api/project_tables.py page()
-- Params: offset, page_limit UInt64; fragments rows (a SELECT), places (what orders its rows, one for each place)
-- Rows:   the page's rows in order and, past the last page as well, the list's first; total UInt64 (of all pages), place UInt64 (from 1)
-- Source: the first row tells how many there are where the page has none.
SELECT *
FROM
(
    SELECT
        *,
        count() OVER () AS total,
        row_number() OVER (ORDER BY {{places}}) AS place
    FROM
    (
        {{rows}}
    )
)
WHERE place = 1
    OR (place > {offset:UInt64} AND place <= {offset:UInt64} + {page_limit:UInt64})
ORDER BY place
