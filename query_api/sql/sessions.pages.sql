-- sessions.pages: views, entries and exits of every page.  Caller: query_api/sessions.py _pages()
-- Params: those of sessions.visits; fragment visits
-- Rows:   page String, views, users, sessions, entries, entry_users, bounces, exits, exit_users UInt64
-- Source: the entry is the first page view of a session, the exit the last; bounces are entries of sessions with one.
SELECT
    page_and_place.1 AS page,
    count() AS views,
    uniqExact(user) AS users,
    uniqExact((user, session, start_ms)) AS sessions,
    countIf(page_and_place.2 = 1) AS entries,
    uniqExactIf(user, page_and_place.2 = 1) AS entry_users,
    countIf(page_views = 1) AS bounces,
    countIf(page_and_place.2 = page_views) AS exits,
    uniqExactIf(user, page_and_place.2 = page_views) AS exit_users
FROM
(
    SELECT
        user,
        session,
        start_ms,
        page_views,
        arrayJoin(arrayZip(pages, arrayEnumerate(pages))) AS page_and_place
    FROM
    (
        {{visits}}
    )
)
GROUP BY page
