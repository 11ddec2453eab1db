-- qr_codes.decoded: the code that an entry carries, '' for none.  Caller: query_api/qr_codes.py beside_events()
-- Params: none
-- Rows:   an expression over qr_raw, the parameter as it stands in the query
-- Source: what decodeURIComponent gives, or the text as it is where that would throw.
if(
    match(replaceRegexpAll(qr_raw, '%[0-9A-Fa-f]{2}', ''), '%') OR NOT isValidUTF8(decodeURLComponent(qr_raw)),
    qr_raw,
    decodeURLComponent(qr_raw)
)
