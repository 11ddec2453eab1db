-- retention.events_measured: what a measured event is.  Caller: query_api/retention_sql.py patterns_sql()
-- Params: returning_from_ms Int64; fragments value (a number), measured (a condition; expressions over events)
-- Rows:   columns of events, beside those of retention.events: measured_value Float64, is_measured
{{value}} AS measured_value,
({{measured}}) AND at_ms >= {returning_from_ms:Int64} AS is_measured
