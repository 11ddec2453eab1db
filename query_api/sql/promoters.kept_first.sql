-- promoters.kept_first: a touch binds while no other holds (an expression over touches).  Caller: query_api/promoters.py _facts()
-- Params: window_ms Int64
-- Rows:   Array of (event_order, at_ms, promoter, event_id, app_id)
-- Source: touches in the order of events.
arrayFold(
    (kept, touch) -> if(
        empty(kept) OR touch.2 - kept[-1].2 > {window_ms:Int64},
        arrayPushBack(kept, touch),
        kept
    ),
    touches,
    arrayResize(touches, 0)
)
