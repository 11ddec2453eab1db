-- promoters.touches_field: what an event is that carries a promoter's id.  Caller: query_api/promoters.py _touches()
-- Params: fragments order (source.order), promoter (a text)
-- Rows:   columns of events: event_order, promoter String
-- Source: shards compute them.
{{order}} AS event_order,
toString({{promoter}}) AS promoter
