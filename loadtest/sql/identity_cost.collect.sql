-- identity_cost.collect: each user's events of a funnel in order, as a funnel begins, with one way to find persons.  Caller: loadtest/identity_cost.py
-- Params: those of identity_cost.events; fragments users (identity_cost.users_*), settings
-- Rows:   one: users, events UInt64; digest UInt64: the same for the same events of the same users
-- Source: the statement of query_api/sql/funnel.user_events.sql, with the time alone as an event's number
SELECT
    count() AS users,
    sum(length(numbers)) AS events,
    groupBitXor(cityHash64(user, arraySort(numbers))) AS digest
FROM
(
    {{users}}
)
SETTINGS do_not_merge_across_partitions_select_final = 1{{settings}}
