-- exchange.in_counts: those who come, for every row.  Caller: query_api/exchange.py _in()
-- Params: those of scenes.user_metrics; fragment user_metrics
-- Rows:   key String (packed; empty: the total of all partners), launches, entries UInt64; users_in, new_users, next_day_eligible,
--         next_day_returned UInt64 (distinct users); undecided Bool (of any: then the numbers do not hold)
-- Source: entries without a referring app have a key that begins with an empty text, '0:'; they are in no row.
SELECT
    key,
    sum(m.launches) AS launches,
    sum(m.entries) AS entries,
    uniqExact(user) AS users_in,
    uniqExactIf(user, m.new_users > 0) AS new_users,
    uniqExactIf(user, m.next_day_eligible > 0) AS next_day_eligible,
    uniqExactIf(user, m.next_day_returned > 0) AS next_day_returned,
    max(m.undecided) AS undecided
FROM
(
    {{user_metrics}}
) AS m
WHERE key != ''
    AND NOT startsWith(key, '0:')
    AND m.users > 0
GROUP BY GROUPING SETS
(
    (key),
    ()
)
