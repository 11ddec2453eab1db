-- sessions.pages: views, entries and exits of every page.  Caller: query_api/sessions.py _pages()
-- Params: those of sessions.visits; fragment visits
-- Rows:   page String, views, users, sessions, entries, entry_users, bounces, exits, exit_users UInt64
-- Source: the entry is the first page view of a session, the exit the last; bounces are entries of sessions with one. A session
--         stands once for each of its pages.
SELECT
    page,
    sum(page_view_count) AS views,
    uniqExact(user) AS users,
    count() AS sessions,
    countIf(is_entry) AS entries,
    uniqExactIf(user, is_entry) AS entry_users,
    countIf(is_entry AND page_views = 1) AS bounces,
    countIf(is_exit) AS exits,
    uniqExactIf(user, is_exit) AS exit_users
FROM
(
    SELECT
        user,
        page_views,
        arrayJoin(arrayDistinct(pages)) AS page,
        countEqual(pages, page) AS page_view_count,
        page = entry_page AS is_entry,
        page = exit_page AS is_exit
    FROM
    (
        {{visits}}
    )
)
GROUP BY page
