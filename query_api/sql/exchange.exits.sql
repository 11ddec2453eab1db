-- exchange.exits: whether an event sends its user out, and where to.  Caller: query_api/exchange.py _events()
-- Params: fragments is_exit, in_range (conditions), partner and row (packed keys: the partner alone, and with the breakdown)
-- Rows:   columns of events: in_range, is_exit Bool, exit_partner, exit_row String ('' of other events)
-- Source: Ask.computed: shards compute them.
toBool({{in_range}}) AS in_range,
toBool(in_range AND ({{is_exit}})) AS is_exit,
if(is_exit, {{partner}}, '') AS exit_partner,
if(is_exit, {{row}}, '') AS exit_row
