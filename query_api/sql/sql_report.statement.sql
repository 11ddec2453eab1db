-- sql_report.statement: a statement from outside over the views.  Caller: query_api/sql_report.py answer()
-- Params: those of the views; row_limit UInt32; fragments events, sessions, users, scenes (the views), statement (checked by
--         sql_guard.py)
-- Rows:   those of the statement, at most row_limit
SELECT *
FROM
(
    WITH
    events AS
    (
        {{events}}
    ),
    sessions AS
    (
        {{sessions}}
    ),
    users AS
    (
        {{users}}
    ),
    scenes AS
    (
        {{scenes}}
    )
    SELECT *
    FROM
    (
{{statement}}
    )
)
LIMIT {row_limit:UInt32}
