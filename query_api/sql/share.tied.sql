-- share.tied: when some cards were shared, to the event.  Caller: query_api/share_sql.py
-- Params: those of share.cards; fragment cards (share.cards)
-- Rows:   card UInt64, shared String: hex of source.order
SELECT
    card,
    hex(shared) AS shared
FROM
(
    {{cards}}
)
