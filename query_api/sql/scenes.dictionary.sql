-- scenes.dictionary: names and groups of all scenes in one scheme.  Caller: query_api/scenes.py _looked_up()
-- Params: scheme String
-- Rows:   platform, scene, scene_name, scene_group, scheme_version String
SELECT
    platform,
    scene,
    scene_name,
    scene_group,
    scheme_version
FROM scenes FINAL
WHERE scheme = {scheme:String}
ORDER BY
    platform,
    scene
