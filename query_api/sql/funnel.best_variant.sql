-- funnel.best_variant: of the chains of a user's variants the one that counts.
-- Caller: query_api/funnel_sql.py users_sql(), where steps are optional
-- Params: fragment users (funnel.attributed with reached, places)
-- Rows:   those of users, one for each user: the deepest, then most steps, then earliest events, then earlier optional steps
-- Source: DESIGN-funnel.md, "Optional steps".
SELECT
    * EXCEPT (places)
FROM
(
    {{users}}
)
ORDER BY
    user,
    reached[-1] DESC,
    level DESC,
    places,
    reached
LIMIT 1 BY user
