-- segment_export.attribute: the text of an attribute of each wanted person.  Caller: query_api/segment_export.py statement()
-- Params: fragment rows (a SELECT of user with one attribute)
-- Rows:   user UInt64, id String
-- Source: an attribute that is no text reaches nobody.
SELECT
    user,
    if(user_property_0_kind = 1, user_property_0_text, '') AS id
FROM
(
    {{rows}}
)
