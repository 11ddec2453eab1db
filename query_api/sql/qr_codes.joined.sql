-- qr_codes.joined: events with the printed code they came by.  Caller: query_api/qr_codes.py joined()
-- Params: project String; app_ids Array(String); fragments events (a source), decoded (qr_codes.decoded)
-- Rows:   those of events, and qr_code, qr_status, store, city, placement String
-- Source: a code belongs to an app; the newest version of each counts. Only entry events are looked at: sessions read the others too.
SELECT
    e.*,
    multiIf(
        e.qr_code = '', 'none',
        c.code_id = '', 'unknown',
        e.occurred_at >= ifNull(c.valid_from, e.occurred_at) AND (isNull(c.valid_to) OR e.occurred_at < c.valid_to), 'registered',
        'outside_validity'
    ) AS qr_status,
    if(qr_status = 'registered', c.store, '') AS store,
    if(qr_status = 'registered', c.city, '') AS city,
    if(qr_status = 'registered', c.placement, '') AS placement
FROM
(
    SELECT
        *,
        {{decoded}} AS qr_code
    FROM
    (
        SELECT
            *,
            if(event IN ('app_launch', 'app_show'), page_query, '') AS qr_query,
            splitByChar('&', if(startsWith(qr_query, '?'), substring(qr_query, 2), qr_query)) AS qr_parts,
            arrayFirst(part -> startsWith(part, 'scene=') AND length(part) > 6, qr_parts) AS qr_scene,
            arrayFirst(part -> startsWith(part, 'q=') AND length(part) > 2, qr_parts) AS qr_link,
            if(qr_scene != '', substring(qr_scene, 7), substring(qr_link, 3)) AS qr_raw
        FROM
        (
            {{events}}
        )
    )
) AS e
ANY LEFT JOIN
(
    SELECT
        app_id,
        code_id,
        store,
        city,
        placement,
        valid_from,
        valid_to
    FROM qr_codes FINAL
    WHERE project = {project:String}
        AND app_id IN {app_ids:Array(String)}
        AND is_deleted = 0
) AS c ON e.app_id = c.app_id AND e.qr_code = c.code_id
