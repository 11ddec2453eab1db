-- share.names: the texts behind the numbers of share.links.  Caller: query_api/share_forest.py load()
-- Params: those of share.events; fragment events (share.events)
-- Rows:   number UInt64, text String, each once
-- Source: a pass of its own over few columns: beside the numbers they would travel once for each card.
SELECT
    xxh3(text) AS number,
    text
FROM
(
    SELECT DISTINCT arrayJoin([page, channel, key]) AS text
    FROM
    (
        SELECT DISTINCT
            share_page AS page,
            share_channel AS channel,
            share_key AS key
        FROM
        (
            {{events}}
        )
    )
)
