-- share.with: the forest, the opens and the rows that every number of the report is counted from, as one WITH clause.
--         Caller: query_api/share_sql.py statement()
-- Params: those of the parts; table given (card, up, sharer UInt64, depth UInt32: see share_forest.py); fragments cards,
--         openings, opens, conversions, facts (each a CTE), more (further CTEs), select
-- Rows:   those of select
-- Source: a CTE that is read more than once is computed once (enable_materialized_cte).
SELECT *
FROM
(
    WITH
    forest AS MATERIALIZED
    (
        SELECT
            cards.*,
            given.up AS up,
            given.depth AS depth
        FROM
        (
            {{cards}}
        ) AS cards
        INNER JOIN given ON cards.card = given.card
    ),
    openings AS MATERIALIZED
    (
        {{openings}}
    ),
    opens AS MATERIALIZED
    (
        {{opens}}
    ),
    conversions AS
    (
        {{conversions}}
    ),
    facts AS
    (
        {{facts}}
    ){{more}}
    {{select}}
)
SETTINGS enable_materialized_cte = 1, max_recursive_cte_evaluation_depth = 2000
