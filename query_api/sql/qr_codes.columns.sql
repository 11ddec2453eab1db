-- qr_codes.columns: the printed code that an event came by.  Caller: query_api/qr_codes.py beside_events()
-- Params: columns of events and of qr_codes.beside; fragment decoded (qr_codes.decoded)
-- Rows:   columns of a SELECT over both: qr_code, qr_status, store, city, placement String, and what they are made of
-- Source: only entry events are looked at: sessions read the others too.
if(event IN ('app_launch', 'app_show'), page_query, '') AS qr_query,
splitByChar('&', if(startsWith(qr_query, '?'), substring(qr_query, 2), qr_query)) AS qr_parts,
arrayFirst(part -> startsWith(part, 'scene=') AND length(part) > 6, qr_parts) AS qr_scene,
arrayFirst(part -> startsWith(part, 'q=') AND length(part) > 2, qr_parts) AS qr_link,
if(qr_scene != '', substring(qr_scene, 7), substring(qr_link, 3)) AS qr_raw,
{{decoded}} AS qr_code,
multiIf(
    qr_code = '', 'none',
    codes.code_id = '', 'unknown',
    occurred_at >= ifNull(codes.valid_from, occurred_at) AND (isNull(codes.valid_to) OR occurred_at < codes.valid_to), 'registered',
    'outside_validity'
) AS qr_status,
if(qr_status = 'registered', codes.code_store, '') AS store,
if(qr_status = 'registered', codes.code_city, '') AS city,
if(qr_status = 'registered', codes.code_placement, '') AS placement
