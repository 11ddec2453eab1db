-- source.in_segment: the condition that an event's user is in a segment.  Caller: query_api/source.py restricted()
-- Params: fragment users (a SELECT of user)
-- Rows:   an expression over user
-- Source: the set is built once for a query.
user IN
(
    {{users}}
)
