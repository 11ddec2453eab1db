-- promoters.kept_last: every touch binds anew (an expression over touches).  Caller: query_api/promoters.py _facts()
-- Params: none
-- Rows:   Array of (event_order, at_ms, promoter, event_id, app_id)
-- Source: the last before an order counts.
touches
