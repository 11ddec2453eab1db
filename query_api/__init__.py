"""The query API: answers questions about events in ClickHouse over HTTP. Reads only; ``README.md`` lists the reports."""
