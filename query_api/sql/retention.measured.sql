-- retention.measured: a row for each user of a cohort, and one for each measured event.  Caller: query_api/retention.py _counted()
-- Params: those of retention.patterns; fragments patterns (with measured), users (retention.measured_users, or nothing)
-- Rows:   cohort UInt16, key String (packed), measured_period Int32: -1 the user, from 0 on periods after the cohort's of an event,
--         -2 - n the user with an event in column n; measured_value Float64; pattern: of the user, else an empty one
-- Source: all users of the cohort, whether they returned or not. A column is the sum of its periods.
SELECT
    cohort,
    key,
    one.1 AS measured_period,
    one.2 AS measured_value,
    if(one.1 = -1, of_user, defaultValueOfArgumentType(of_user)) AS pattern
FROM
(
    SELECT
        cohort,
        key,
        pattern AS of_user,
        arrayJoin(arrayConcat([(toInt32(-1), toFloat64(0))], measured{{users}})) AS one
    FROM
    (
        {{patterns}}
    )
)
