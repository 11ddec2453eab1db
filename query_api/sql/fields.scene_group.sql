-- fields.scene_group: the group of an event's scene, '' without a scene.  Caller: query_api/fields.py field_sql()
-- Params: scheme String; fragment unknown (a literal: the group of scenes that the dictionary does not list)
-- Rows:   an expression over platform and scene
-- Source: the key of a scene is (platform, scene); both subqueries give one constant array each, in the same order.
if(
    scene = '',
    '',
    transform(
        concat(platform, ':', scene),
        (SELECT groupArray(code) FROM (SELECT concat(platform, ':', scene) AS code FROM scenes FINAL WHERE scheme = {scheme:String} ORDER BY platform, scene)),
        (SELECT groupArray(name) FROM (SELECT toString(scene_group) AS name FROM scenes FINAL WHERE scheme = {scheme:String} ORDER BY platform, scene)),
        {{unknown}}
    )
)
