"""
The collector: takes batches over HTTP, keeps them durably, writes them to ClickHouse.

Path of an event: ``handlers.collect`` → ``ingest.ingest_batch`` (decode, fates, duplicates, spool) → answer;
then, in the writer process, ``writer.Writer`` (read, rows, identity, insert, checkpoint).
"""
