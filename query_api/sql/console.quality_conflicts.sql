-- console.quality_conflicts: id conflicts of a project.  Caller: query_api/console/arrivals.py quality()
-- Params: project String, since_ms Int64 (time of the event)
-- Rows:   reason, conflicts UInt64, last_ms Int64, pairs Array(Array(String)): keys of both ids, at most a hundred
-- Source: identity_conflicts; a pair stands there from either side, so each is counted once.
SELECT
    reason,
    uniqExact(least(id_key, other_key), greatest(id_key, other_key)) AS conflicts,
    max(toUnixTimestamp64Milli(occurred_at)) AS last_ms,
    groupUniqArray(100)([toString(least(id_key, other_key)), toString(greatest(id_key, other_key))]) AS pairs
FROM identity_conflicts FINAL
WHERE project = {project:String}
    AND occurred_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
GROUP BY reason
ORDER BY reason
LIMIT 100
