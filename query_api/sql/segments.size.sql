-- segments.size: how many users a rule has, and some of them.  Caller: query_api/segments.py Segments.describe()
-- Params: project String; fragment users (a SELECT of user)
-- Rows:   users UInt64; sample Array(UInt64): ten that a hash picks, the same each time
-- Source: a hash of the key, so that the sample is no choice by age of the account.
SELECT
    count() AS users,
    arrayMap(pair -> pair.2, groupArraySorted(10)((cityHash64(user, {project:String}), user))) AS sample
FROM
(
    {{users}}
)
