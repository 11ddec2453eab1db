-- exchange.in_counts: those who come, for every row.  Caller: query_api/exchange.py _in()
-- Params: those of scenes.user_metrics; fragment user_metrics (of entries with a partner)
-- Rows:   key String (packed; empty: the total of all partners), launches, entries UInt64; users_in, new_users, next_day_eligible,
--         next_day_returned UInt64 (distinct users); undecided Bool (of any: then the numbers do not hold)
-- Source: each (user, key) is there once, so sums count users. Entries without a partner count nowhere: their row has no users.
SELECT
    key,
    sum(m.launches) AS launches,
    sum(m.entries) AS entries,
    sum(m.users) AS users_in,
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
