-- retention.measured_sums: the measure of a cell.  Caller: query_api/retention.py _counted()
-- Params: fragment amount (sums.sum_of_parts_sql)
-- Rows:   columns of retention.counts: amount, least, most Float64
,
{{amount}} AS amount,
min(least_value) AS least,
max(most_value) AS most
