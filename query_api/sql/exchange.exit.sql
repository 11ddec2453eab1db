-- exchange.exit: whether an event sends its user out, and to whom.  Caller: query_api/exchange.py _added()
-- Params: fragments is_out (condition), number, row_number, partner_number (as of exchange.entry)
-- Rows:   columns of events: is_exit Bool, sent_as Tuple (the three numbers)
-- Source: by_actor.py
toBool({{is_out}}) AS is_exit,
({{number}}, {{row_number}}, {{partner_number}}) AS sent_as
