-- privacy.letters: the place of a refused event.  Caller: collector/privacy.py erase()
-- Params: none
-- Rows:   app_id, request_id String; event_index UInt32
-- Source: followed by the table and privacy.where_dead_letters. Rows are removed by their places, since the text of a mutation
--         stays in the data folder and in system.mutations.
SELECT DISTINCT
    app_id,
    request_id,
    event_index
