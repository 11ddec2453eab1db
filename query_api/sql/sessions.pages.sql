-- sessions.pages: views, entries and exits of every page.  Caller: query_api/sessions.py _counted(), as a part of sessions.measures
-- Params: fragment names (sessions.page_names); CTE visits of sessions.measures
-- Rows:   as sessions.measures: kind 2, page String, of_page Array(UInt64): views, users, sessions, entries, entry users, bounces,
--         exits, exit users
-- Source: the entry is the first page view of a session, the exit the last; bounces are entries of sessions with one. A session
--         stands once for each of its pages.
UNION ALL
SELECT
    toUInt8(2), toInt64(0), '', toUInt16(0), toUInt16(0),
    toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toInt64(0), emptyArrayFloat64(), toFloat64(0),
    names.page_name, counted.numbers, emptyArrayUInt8()
FROM
(
    SELECT
        page,
        [
            sum(page_view_count),
            uniqExact(user),
            count(),
            countIf(is_entry),
            uniqExactIf(user, is_entry),
            countIf(is_entry AND page_views = 1),
            countIf(is_exit),
            uniqExactIf(user, is_exit)
        ] AS numbers
    FROM
    (
        SELECT
            user,
            page_views,
            arrayJoin(arrayDistinct(pages)) AS page,
            countEqual(pages, page) AS page_view_count,
            page = entry_page AS is_entry,
            page = exit_page AS is_exit
        FROM visits
        WHERE irregular = 0
    )
    GROUP BY page
) AS counted
ANY LEFT JOIN
(
    {{names}}
) AS names ON counted.page = names.page_number
