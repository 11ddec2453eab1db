"""
The contract between clients, collector and query API: Structs of the wire, limits, error codes, scenes.

Imports only the standard library and msgspec; everyone may import it.
"""

from sdk_spec.errors import EVENT_ERRORS, REQUEST_ERRORS, ErrorCode
from sdk_spec.events import Device, Envelope, Event, EventBatch, Platform, Sdk, Utm
from sdk_spec.outcomes import BatchResponse, ErrorResponse, EventError

__all__ = [
    "EVENT_ERRORS",
    "REQUEST_ERRORS",
    "BatchResponse",
    "Device",
    "Envelope",
    "ErrorCode",
    "ErrorResponse",
    "Event",
    "EventBatch",
    "EventError",
    "Platform",
    "Sdk",
    "Utm",
]
