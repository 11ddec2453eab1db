-- per_user.firsts_of_actor: as per_user.first_of_actor, of the event's part of a key.  Caller: query_api/per_user.py first_of_actor()
-- Params: fragments part (of an event's key), is_absent (whether it has none of the fields), order (source.order), where (a condition: which events)
-- Rows:   aggregates of a SELECT with GROUP BY actor: part_with_value and order_with_value of the first event that has a value,
--         part_of_first and order_of_first of the first of all; orders are '' where no event passes, and compare as those of per_user.key_order
-- Source: all events of a person with an attribute have a value, so the first of them counts.
argMinIf({{part}}, concat(if({{is_absent}}, '1', '0'), {{order}}), {{where}}) AS part_with_value,
minIf(concat(if({{is_absent}}, '1', '0'), {{order}}), {{where}}) AS order_with_value,
argMinIf({{part}}, {{order}}, {{where}}) AS part_of_first,
minIf(concat('0', {{order}}), {{where}}) AS order_of_first
