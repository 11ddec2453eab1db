-- people.ids: the ids that an event says of its person.  Caller: query_api/people.py ids_sql()
-- Params: placeholders Array(String) (what broken clients send for "no id", lower case)
-- Rows:   an expression over the columns of events: Array(kind, app_id, id)
-- Source: a placeholder is nobody's where another id stands beside it: the event belongs to that one's person.
arrayMap(
    given -> if(
        arrayExists(one -> NOT has({placeholders:Array(String)}, lower(trimBoth(one.3))), given),
        arrayFilter(one -> NOT has({placeholders:Array(String)}, lower(trimBoth(one.3))), given),
        given
    ),
    [
        arrayFilter(
            one -> one.3 != '',
            [
                ('user_id', '', user_id),
                ('unionid', '', unionid),
                ('openid', toString(app_id), openid),
                ('anonymous_id', toString(app_id), anonymous_id)
            ]
        )
    ]
)[1]
