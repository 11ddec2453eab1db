-- sql_report.view_scenes: the view `scenes`: the dictionary of entry scenes in the request's scheme.  Caller: query_api/sql_report.py
-- Params: scheme String
-- Rows:   platform, scene, scene_name, scene_group String
SELECT
    platform,
    scene,
    scene_name,
    scene_group
FROM scenes FINAL
WHERE scheme = {scheme:String}
