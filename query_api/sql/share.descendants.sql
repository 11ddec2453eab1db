-- share.descendants: the users who opened a card of one sharer or one below it.  Caller: query_api/share.py users()
-- Params: those of share.with; cell_sharer UInt64; fragment pairs (share.pairs)
-- Rows:   user UInt64, each once
SELECT DISTINCT user
FROM
(
    {{pairs}}
)
