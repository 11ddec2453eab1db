-- promoters.is_of_another: whether an event carries the id of somebody else.  Caller: query_api/promoters.py _touches()
-- Params: fragment promoter (a text)
-- Rows:   a condition over the columns of events
-- Source: an empty code is none; nobody promotes oneself. Asked where the events lie, so that ids need not leave there.
{{promoter}} != '' AND {{promoter}} NOT IN (user_id, unionid, openid, anonymous_id)
