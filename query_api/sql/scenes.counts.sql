-- scenes.counts: the metrics of users of every row, where event_id decides which entry was first.  Caller: query_api/scenes.py _measured()
-- Params: those of scenes.user_metrics; fragment user_metrics
-- Rows:   key String (packed; empty: the total), launches, entries, users, new_users, next_day_eligible, next_day_returned UInt64;
--         undecided Bool (of any: then the numbers do not hold); a key without entries that count has no row
SELECT
    key,
    sum(m.launches) AS launches,
    sum(m.entries) AS entries,
    sum(m.users) AS users,
    sum(m.new_users) AS new_users,
    sum(m.next_day_eligible) AS next_day_eligible,
    sum(m.next_day_returned) AS next_day_returned,
    max(m.undecided) AS undecided
FROM
(
    {{user_metrics}}
) AS m
WHERE m.users > 0
GROUP BY key
