-- promoters.first_touch: the first of some touches.  Caller: query_api/promoters.py _binding_touches()
-- Params: columns event_order, promoter String, app_id
-- Rows:   an aggregate, Array of (event_order, promoter, app_id)
-- Source: where it binds for ever no other does; that of a person is the first of the person's actors. By a text: only numbers and texts
--         have states of their own.
[argMin((event_order, promoter, toString(app_id)), concat(event_order, '\0', promoter))]
