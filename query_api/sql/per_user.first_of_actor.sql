-- per_user.first_of_actor: the value of an actor's first event that has one.  Caller: query_api/per_user.py first_of_actor()
-- Params: fragments key (packed, of an event), order (per_user.key_order), where (a condition: which events)
-- Rows:   aggregates of a SELECT with GROUP BY actor: event_key, key_order String; both '' where no event passes
-- Source: the first of a person is the first of the person's actors.
argMinIf({{key}}, {{order}}, {{where}}) AS event_key,
minIf({{order}}, {{where}}) AS key_order
