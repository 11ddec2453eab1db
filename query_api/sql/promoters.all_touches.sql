-- promoters.all_touches: some touches.  Caller: query_api/promoters.py _binding_touches()
-- Params: columns event_order, promoter String, app_id
-- Rows:   an aggregate, Array of (event_order, promoter, app_id)
-- Source: each may bind.
groupArray((event_order, promoter, toString(app_id)))
