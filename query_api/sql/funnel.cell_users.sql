-- funnel.cell_users: the users of a cell.  Caller: query_api/funnel.py users()
-- Params: cell_period_ms Int64 (-1: all), all_keys Bool, is_other Bool, cell_key Array(String), breakdown_limit UInt32;
--         fragments users (funnel.attributed), in_step (whether a row is in the step, or dropped there)
-- Rows:   user UInt64, each once
-- Source: keys ranked as in funnel.count, so "other" is the same set.
SELECT
    user
FROM
(
    SELECT
        *,
        dense_rank() OVER (ORDER BY key_users DESC, breakdown_key) > {breakdown_limit:UInt32} AS ranks_as_other
    FROM
    (
        SELECT
            *,
            if({is_other:Bool}, count() OVER (PARTITION BY breakdown_key), 0) AS key_users
        FROM
        (
            {{users}}
        )
    )
)
WHERE ({{in_step}})
    AND ({cell_period_ms:Int64} = -1 OR period_ms = {cell_period_ms:Int64})
    AND multiIf({all_keys:Bool}, 1, {is_other:Bool}, ranks_as_other, breakdown_key = {cell_key:Array(String)})
