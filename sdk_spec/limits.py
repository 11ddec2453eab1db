"""
Every limit of the wire in one place; the unit is in the name. Imported by the Structs and the collector.

Raising a limit is compatible; lowering one is a new version of the protocol.
"""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of a request body, before and after decompression: about 20,000 ordinary events."""

MAX_EVENTS_PER_BATCH = 5_000
"""Keeps one request under about 20 ms of a worker's time."""

MAX_ID_CHARS = 128
MAX_EVENT_NAME_CHARS = 128
MAX_SHORT_CHARS = 256
"""Brand, model, versions, utm values and the like."""
MAX_PAGE_CHARS = 1_024
MAX_QUERY_CHARS = 8_192
MAX_SHARE_TICKET_CHARS = 1_024

MAX_PROPERTIES = 256
"""Of one event."""
MAX_PROPERTY_NAME_CHARS = 128
MAX_PROPERTY_STRING_CHARS = 16_384
MAX_LIST_ITEMS = 256

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1
"""Integers are 64 bits signed, as in ClickHouse."""

MAX_SEQ = 2**32 - 1
MAX_DURATION_MS = 2**32 - 1
"""49 days."""

MAX_CLOCK_SKEW_MS = 5 * 60 * 1000
"""Below it a client's clock is believed; above it the whole batch is shifted. A setting of the collector."""

MIN_OCCURRED_AT_MS = 1_420_070_400_000
"""2015-01-01T00:00:00Z: before any mini-program existed; also catches seconds sent for milliseconds."""

MAX_CLIENT_CLOCK_MS = 4_102_444_800_000
"""2100-01-01T00:00:00Z: a clock beyond it is no clock."""
