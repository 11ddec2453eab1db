-- scenes.sessions_whole: sessions with their first entry, where every entry has a session_id.  Caller: query_api/scenes.py _of_numbers()
-- Params: fragments grouped (scenes.grouped or scenes.grouped_by_actor), entry and mirrored_entry (key_number of first_entry and of first_mirrored)
-- Rows:   as scenes.sessions_cut without user, but entry UInt64: number of the key, 0 in place of ''; undecided UInt8: event_id decides which entry
--         was first
-- Source: an entry is one number (query_api/order_keys.py), so that min finds the first. Mirrored, the key of the least number
--         is the greatest of those that share its time and seq: where the two are not one key, the order is open.
SELECT
    first_ms,
    last_ms,
    views,
    {{entry}} AS entry,
    entry != {{mirrored_entry}} AS undecided
FROM
(
    {{grouped}}
)
