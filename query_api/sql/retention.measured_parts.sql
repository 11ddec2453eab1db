-- retention.measured_parts: what the rows of retention.measured add up to.  Caller: query_api/retention.py _counted()
-- Params: fragment amount (sums.partial_sum_sql of measured_value)
-- Rows:   columns of retention.alike: measured_period Int32, the parts of the sum, least_value, most_value Float64
,
measured_period,
{{amount}},
min(measured_value) AS least_value,
max(measured_value) AS most_value
