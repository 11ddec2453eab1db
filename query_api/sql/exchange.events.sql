-- exchange.events: entries, conversions and exits, with what each of them means.  Caller: query_api/exchange.py _events()
-- Params: fragments source (the events, with the columns of exchange.exits and scenes.conversion), matches (the filter), row and partner (packed keys
--         of an entry)
-- Rows:   user UInt64, app_id, event, event_id String, occurred_at, seq, in_range, is_conversion, is_exit Bool, amount Float64, exit_partner,
--         exit_row String; of entries entry_matches Bool, entry_row, entry_partner String
-- Source: four questions are asked of these rows, so they are kept: each event is read once.
SELECT
    user,
    app_id,
    event,
    event_id,
    occurred_at,
    seq,
    in_range,
    is_conversion,
    amount,
    is_exit,
    exit_partner,
    exit_row,
    event IN ('app_launch', 'app_show') AS is_entry,
    is_entry AND ({{matches}}) AS entry_matches,
    if(is_entry, {{row}}, '') AS entry_row,
    if(is_entry, {{partner}}, '') AS entry_partner
FROM
(
    {{source}}
)
