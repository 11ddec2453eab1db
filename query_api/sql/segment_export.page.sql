-- segment_export.page: the members of a segment with their id for a channel.  Caller: query_api/segment_export.py statement()
-- Params: words Array(String) (texts that opt out, lower case); after UInt64; page_limit UInt32; fragments members (a SELECT of user with the
--         attribute that opts out), ids (segment_export.ids or .attribute, over `wanted`)
-- Rows:   user UInt64; id String ('' for none); opted_out Bool
-- Source: only the persons of the page are looked up.
WITH wanted AS MATERIALIZED
(
    SELECT
        user,
        any(toBool(multiIf(
            user_property_0_kind = 1, has({words:Array(String)}, lowerUTF8(user_property_0_text)),
            user_property_0_kind = 2, user_property_0_number != 0,
            user_property_0_kind = 3, user_property_0_flag,
            user_property_0_kind = 4, hasAny(arrayMap(word -> lowerUTF8(word), user_property_0_list), {words:Array(String)}),
            false
        ))) AS opted_out
    FROM
    (
        {{members}}
    )
    WHERE user > {after:UInt64}
    GROUP BY user
    ORDER BY user
    LIMIT {page_limit:UInt32}
)
SELECT
    wanted.user AS user,
    toString(ids.id) AS id,
    wanted.opted_out AS opted_out
FROM wanted
ANY LEFT JOIN
(
    {{ids}}
) AS ids ON wanted.user = ids.user
ORDER BY user
