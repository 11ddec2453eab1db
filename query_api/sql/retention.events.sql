-- retention.events: what an initial or a returning event is.  Caller: query_api/retention_sql.py patterns_sql()
-- Params: initial_from_ms, initial_to_ms, returning_from_ms Int64; fragments initial, returning, key (packed), order (source.order), period
--         (number of an event's period; expressions over events)
-- Rows:   columns of events: at_ms Int64, period UInt16, event_order, packed_key String, is_initial, is_returning
-- Source: shards compute them.
toUnixTimestamp64Milli(occurred_at) AS at_ms,
{{period}} AS period,
{{order}} AS event_order,
{{key}} AS packed_key,
({{initial}}) AND at_ms >= {initial_from_ms:Int64} AND at_ms < {initial_to_ms:Int64} AS is_initial,
({{returning}}) AND at_ms >= {returning_from_ms:Int64} AS is_returning
