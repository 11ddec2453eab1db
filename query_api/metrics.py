"""
Every metric of the query API with its unit; served at ``/metrics``.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

REQUESTS = Counter("scenetrail_query_requests", "Requests answered", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "scenetrail_query_request_seconds",
    "Time to answer a request, seconds",
    ["route"],
    buckets=_SECONDS,
)
IN_FLIGHT = Gauge("scenetrail_query_requests_in_flight", "Requests being answered")
QUERY_SECONDS = Histogram(
    "scenetrail_query_sql_seconds", "Time of one SQL query, seconds", ["sql"], buckets=_SECONDS
)
ROWS_READ = Counter("scenetrail_query_sql_rows_read", "Rows that ClickHouse read", ["sql"])
QUERY_ERRORS = Counter(
    "scenetrail_query_sql_errors", "Failed SQL queries by ClickHouse error code", ["code"]
)
