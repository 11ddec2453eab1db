-- sessions.page_number: a page as a number of 52 bits.  Caller: query_api/sessions.py
-- Params: fragment page (a text)
-- Rows:   an expression, UInt64
-- Source: two of ten thousand pages share a number with a chance of 1e-8.
bitAnd(sipHash64({{page}}), 4503599627370495)
