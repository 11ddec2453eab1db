-- funnel.variants: user_events once for each set of optional steps that a chain may leave out.
-- Caller: query_api/funnel_sql.py users_sql(), where steps are optional
-- Params: variants UInt8; fragments user_events, renumbered (mask with the bits of the variant's own steps and exclusions)
-- Rows:   those of user_events and variant UInt8 (from 1); bit i - 1 of masks: the i-th step that the variant keeps
-- Source: DESIGN-funnel.md, "Optional steps".
SELECT
    * EXCEPT (all_masks),
    arrayMap(mask -> {{renumbered}}, all_masks) AS masks
FROM
(
    SELECT
        * EXCEPT (masks),
        masks AS all_masks,
        arrayJoin(range(toUInt8(1), {variants:UInt8} + 1)) AS variant
    FROM
    (
        {{user_events}}
    )
)
