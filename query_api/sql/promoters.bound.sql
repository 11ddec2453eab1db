-- promoters.bound: the bindings of each user, in the order of events.  Caller: query_api/promoters.py _facts()
-- Params: fragments touches (promoters.touches_*), kept (promoters.kept_*)
-- Rows:   user UInt64, bindings Array of (event_order, at_ms, promoter, event_id, app_id)
-- Source: a user touches few times; the arrays are short.
SELECT
    user,
    {{kept}} AS bindings
FROM
(
    SELECT
        user,
        arraySort(groupArray((event_order, at_ms, promoter, event_id, app_id))) AS touches
    FROM
    (
        {{touches}}
    )
    GROUP BY user
)
