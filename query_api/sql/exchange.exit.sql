-- exchange.exit: whether an event sends its user out, and to whom.  Caller: query_api/exchange.py _added()
-- Params: range_from_ms, range_to_ms Int64 (epoch ms, end exclusive); fragments is_out (condition), number, row_number, partner_number (as of exchange.entry)
-- Rows:   columns of events: is_exit Bool, sent_as Tuple (the three numbers)
-- Source: by_actor.py
toBool(
    {{is_out}}
    AND toUnixTimestamp64Milli(occurred_at) >= {range_from_ms:Int64}
    AND toUnixTimestamp64Milli(occurred_at) < {range_to_ms:Int64}
) AS is_exit,
({{number}}, {{row_number}}, {{partner_number}}) AS sent_as
