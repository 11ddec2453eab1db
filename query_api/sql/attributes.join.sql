-- attributes.join: rows with the attributes of their persons beside them.  Caller: query_api/attributes.py joined()
-- Params: fragments rows (a SELECT with user), values (a SELECT of user and attributes), columns (those of values)
-- Rows:   those of rows, as many as before
-- Source: a person without attributes gets kind 0, which is absent.
SELECT
    e.*,
    {{columns}}
FROM
(
    {{rows}}
) AS e
ANY LEFT JOIN
(
    {{values}}
) AS u ON e.user = u.user
