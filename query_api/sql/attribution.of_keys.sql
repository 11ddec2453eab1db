-- attribution.of_keys: what each touch and key gets.  Caller: query_api/attribution.py _counted()
-- Params: fragments credits (attribution.credits), models (sums in parts and states, of the models asked for), in_other (a condition: whether a
--         row can be of "other"), key, names (as attribution.named)
-- Rows:   touch UInt8, key String (packed), targets, begun UInt64 (that begin with such a touch, or have none), all_users, targets_in_other (states of
--         uniqExact), undecided Bool (attribution.chains), times UInt64 (such a touch stands in chains), and for each model <model>_users (a state) and the parts of its sums
-- Source: a target has one row for each touch and key, and one of them is its first: only in "other" some have several. States and parts, so
--         that "other" and the total are put together from them. Rows of credits are many and wide: they are grouped as they come.
SELECT
    of_number.*,
    {{key}} AS key
FROM
(
    SELECT
        touch,
        key_number,
        uniqExactState(user) AS all_users,
        count() AS targets,
        countIf(first > 0) AS begun,
        uniqExactStateIf((user, target), {{in_other}}) AS targets_in_other,
        max(undecided) AS undecided,
        sum(times) AS times,
        {{models}}
    FROM
    (
        {{credits}}
    )
    GROUP BY
        touch,
        key_number
) AS of_number
{{names}}
