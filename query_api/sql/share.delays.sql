-- share.delays: when the sharer of a card had opened the card above it.  Caller: query_api/share_sql.py
-- Params: CTE opens; table reshared (card, up, sharer, shared_ms: cards of the range below a known card)
-- Rows:   card UInt64 (of those whose sharer had), shared_ms UInt64, opened_ms Int64 (the last before that ms, 0: none), tied String
--         (the first in that very ms, as source.order, '': none)
-- Source: who was first within a ms is rarely asked, and then with share.tied: share events are not read here.
SELECT
    reshared.card AS card,
    any(reshared.shared_ms) AS shared_ms,
    maxIf(opened.opened_ms, opened.opened_ms < toInt64(reshared.shared_ms)) AS opened_ms,
    minIf(opened.opened, opened.opened_ms = toInt64(reshared.shared_ms)) AS tied
FROM opens AS opened
INNER JOIN reshared ON opened.user = reshared.sharer AND opened.card = reshared.up
WHERE opened.state = 0
    AND opened.opened_ms <= toInt64(reshared.shared_ms)
GROUP BY reshared.card
