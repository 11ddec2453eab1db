-- funnel.levels: which chains end where, for the next few steps.  Caller: query_api/funnel_sql.py _ordered_sql()
-- Params: window_ms Int64; fragments user_events (or the levels of the steps before), latest (columns latest_i)
-- Rows:   those of user_events and, for each step i, latest_i Array(Int64): for each position the latest start (epoch ms) of a
--         chain of the first i steps that ends by then, 0: none
-- Source: DESIGN-funnel.md, "Ordered".
SELECT
    *,
    {{latest}}
FROM
(
    {{user_events}}
)
