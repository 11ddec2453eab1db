-- paths.collected_by_actor: the same, collected by actor before persons are looked up.  Caller: query_api/paths.py _collected()
-- Params: fragment rows (source.by_actor with the keys of an actor's events, and has_anchor)
-- Rows:   those of paths.collected
-- Source: by_actor.py
SELECT
    user,
    groupArrayArray(part.way_keys) AS way_keys
FROM
(
    {{rows}}
) AS part
GROUP BY user
HAVING max(part.has_anchor)
