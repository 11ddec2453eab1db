-- sessions.grouped_by_actor: as sessions.grouped, added up by actor first.  Caller: query_api/sessions.py _whole()
-- Params: fragments rows (by_actor.rows of sessions.part), places (of the page views, in order), key (of a session)
-- Rows:   those of sessions.grouped
-- Source: a person is looked up for each actor's session and not for each event.
SELECT
    user,
    session,
    max(part.has_silent) AS has_silent,
    min(part.start_ms) AS start_ms,
    max(part.end_ms) AS end_ms,
    {{places}} AS places,
    toUInt32(sum(part.page_views)) AS page_views,
    max(part.passes) AS passes,
    {{key}} AS key
FROM
(
    {{rows}}
) AS part
GROUP BY
    user,
    session
