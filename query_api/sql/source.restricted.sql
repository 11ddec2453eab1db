-- source.restricted: events of some users only.  Caller: query_api/source.py restricted()
-- Params: fragments events (a source), where and segment (conditions over its columns)
-- Rows:   those of events that pass both
-- Source: conditions on the person can be asked only after the person is known.
SELECT *
FROM
(
    {{events}}
)
WHERE ({{where}})
    AND ({{segment}})
