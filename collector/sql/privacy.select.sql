-- privacy.select: all columns of a table.  Caller: collector/privacy.py export()
-- Params: none
-- Rows:   the table's
-- Source: followed by the table and its privacy.where file.
SELECT *
