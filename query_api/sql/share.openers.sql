-- share.openers: the condition that a user may have opened a card.  Caller: query_api/share_sql.py
-- Params: fragment source (entries that carry a share_id)
-- Rows:   an expression over user
-- Source: own, favourite and unknown cards are in it as well; share_opens.py finds the opens.
user IN
(
    SELECT user
    FROM
    (
        {{source}}
    )
)
