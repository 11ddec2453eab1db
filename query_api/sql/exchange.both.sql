-- exchange.both: who came from a partner and was sent there.  Caller: query_api/exchange.py _both()
-- Params: those of exchange.out; fragments row, partner (packed keys of an entry: of its row when all are shown, of the partner alone),
--         key (row, or "other"), entries (a source of entry events of the range with a partner), out_row, out_partner (the same
--         of an exit), out (the events that send users out)
-- Rows:   user UInt64, key String (empty: the total), each pair once
-- Source: who came are the pairs that scenes.user_metrics gives for the metric "users". Rows are compared before they are folded into
--         "other", and the total by partners alone: neither a limit nor a breakdown changes who is both.
SELECT DISTINCT
    user,
    arrayJoin(if(has(o.rows_there, e.row), [e.key, ''], [''])) AS key
FROM
(
    SELECT DISTINCT
        user,
        {{row}} AS row,
        {{key}} AS key,
        {{partner}} AS partner
    FROM
    (
        {{entries}}
    )
) AS e
INNER JOIN
(
    SELECT
        user,
        {{out_partner}} AS partner,
        groupUniqArray({{out_row}}) AS rows_there
    FROM
    (
        {{out}}
    )
    GROUP BY
        user,
        partner
) AS o ON e.user = o.user AND e.partner = o.partner
