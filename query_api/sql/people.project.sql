-- people.project: the project of some apps.  Caller: query_api/people.py person_of()
-- Params: app_ids Array(String)
-- Rows:   project String; none without events
-- Source: all apps of a question belong to one project.
SELECT project
FROM events
WHERE app_id IN {app_ids:Array(String)}
LIMIT 1
