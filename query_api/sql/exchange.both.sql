-- exchange.both: who came from a partner and was sent there.  Caller: query_api/exchange.py _parts()
-- Params: fragments key (of an entry: entry_row, or "other"), entries and out (rows of exchange.events: entries of the range with a partner, and
--         exits)
-- Rows:   user UInt64, key String (empty: the total), each pair once
-- Source: who came are the pairs that scenes.user_metrics gives for the metric "users". Rows are compared before they are folded into
--         "other", and the total by partners alone: neither a limit nor a breakdown changes who is both.
SELECT DISTINCT
    user,
    arrayJoin(if(has(o.rows_there, e.entry_row), [e.key, ''], [''])) AS key
FROM
(
    SELECT DISTINCT
        user,
        entry_row,
        {{key}} AS key,
        entry_partner
    FROM
    (
        {{entries}}
    )
) AS e
INNER JOIN
(
    SELECT
        user,
        exit_partner,
        groupUniqArray(exit_row) AS rows_there
    FROM
    (
        {{out}}
    )
    GROUP BY
        user,
        exit_partner
) AS o ON e.user = o.user AND e.entry_partner = o.exit_partner
