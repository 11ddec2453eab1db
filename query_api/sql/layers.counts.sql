-- layers.counts: users by their leaves at two dates.  Caller: query_api/layers/__init__.py answer()
-- Params: fragment flow (layers.flow)
-- Rows:   from_leaf, to_leaf UInt16; users UInt64
-- Source: each row of layers.flow is one user.
SELECT
    from_leaf,
    to_leaf,
    count() AS users
FROM
(
    {{flow}}
)
GROUP BY
    from_leaf,
    to_leaf
