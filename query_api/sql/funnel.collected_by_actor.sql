-- funnel.collected_by_actor: the same, collected by actor before persons are looked up.  Caller: query_api/funnel_sql.py _collected_sql()
-- Params: fragments rows (source.by_actor with the arrays and matched: the steps of all events of the actor), entered (as in
--         funnel.collected), arrays (those of a user's actors together)
-- Rows:   those of funnel.collected
-- Source: DESIGN-identity.md: a person is looked up for each actor and not for each event, which is a look into memory each.
SELECT
    user,
    {{arrays}}
FROM
(
    {{rows}}
) AS part
GROUP BY user
HAVING {{entered}}
