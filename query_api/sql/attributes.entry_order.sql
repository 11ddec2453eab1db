-- attributes.entry_order: a text that sorts as (occurred_at, seq, event_id, app_id).  Caller: query_api/attributes.py joined()
-- Params: fragment order (source.order)
-- Rows:   an expression over the columns of events, String; not empty
-- Source: a byte that is less than all of an id's stands between the ids, so that a shorter one comes first.
concat({{order}}, '\0', toString(app_id))
