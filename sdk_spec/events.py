"""
The wire, version 1: what a client sends. The only definition; JSON Schema and OpenAPI are generated from it.

One name everywhere: the JSON key, the field here, the column and the field of a query are the same word. Fields without a
default are required; every other may be absent or null. Unknown keys are ignored (old servers survive new SDKs).
Times are integer milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from sdk_spec import limits, phones

Platform: TypeAlias = Literal[
    "wechat",
    "alipay",
    "douyin",
    "baidu",
    "qq",
    "kuaishou",
    "jd",
    "xiaohongshu",
    "lark",
    "web",
    "app",
    "server",
]

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_CHARS)]
"""Opaque and printable; never assume a length (openids have 28 characters, or not)."""
Short: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_SHORT_CHARS)]
Page: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_PAGE_CHARS)]
OptionalId: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_ID_CHARS)] | None
"""An empty string means absent, as platforms send it."""
PhoneHash: TypeAlias = (
    Annotated[str, Meta(max_length=phones.MAX_CHARS, pattern=phones.PATTERN)] | None
)
"""What ``phones.phone_hash`` makes of a number; a number itself is refused."""
Count: TypeAlias = Annotated[int, Meta(ge=0, le=limits.MAX_SEQ)]
Integer: TypeAlias = Annotated[int, Meta(ge=limits.MIN_INTEGER, le=limits.MAX_INTEGER)]

PropertyName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=limits.MAX_PROPERTY_NAME_CHARS)
]
PropertyString: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_PROPERTY_STRING_CHARS)]
PropertyList: TypeAlias = Annotated[list[PropertyString], Meta(max_length=limits.MAX_LIST_ITEMS)]
PropertyValue: TypeAlias = PropertyString | Integer | float | bool | PropertyList | None
Properties: TypeAlias = Annotated[
    dict[PropertyName, PropertyValue], Meta(max_length=limits.MAX_PROPERTIES)
]

RESERVED_EVENTS = (
    "app_launch",
    "app_show",
    "app_hide",
    "page_view",
    "page_leave",
    "share",
    "add_favorite",
    "tap",
    "app_error",
    "identify",
    "user_set",
    "user_set_once",
    "user_increment",
    "user_unset",
)


class Utm(Struct, gc=False, frozen=True):
    """Campaign parameters of the visit."""

    source: Short | None = None
    medium: Short | None = None
    campaign: Short | None = None
    term: Short | None = None
    content: Short | None = None


class Device(Struct, gc=False, frozen=True):
    """The device and the host app, as the platform's system-info call names them. Sizes in CSS pixels."""

    brand: Short | None = None
    model: Short | None = None
    os: Short | None = None
    os_version: Short | None = None
    host_version: Short | None = None
    base_library_version: Short | None = None
    language: Short | None = None
    network_type: Short | None = None
    screen_width: Count | None = None
    screen_height: Count | None = None


class Sdk(Struct, gc=False, frozen=True):
    """Which library sent the batch."""

    name: Short | None = None
    version: Short | None = None


class Event(Struct, gc=False, kw_only=True):
    """
    One thing a user did.

    ``event_id`` is unique within the app for ever; ``seq`` counts up within a session and orders events of one
    millisecond; ids override the batch's. ``scene`` may be a number or a string: leading zeros matter.
    """

    event_id: Id
    event: Annotated[str, Meta(min_length=1, max_length=limits.MAX_EVENT_NAME_CHARS)]
    occurred_at: Integer
    seq: Count | None = None
    session_id: OptionalId = None
    anonymous_id: OptionalId = None
    openid: OptionalId = None
    unionid: OptionalId = None
    user_id: OptionalId = None
    phone_hash: PhoneHash = None
    scene: Short | Integer | None = None
    page: Page | None = None
    page_query: Annotated[str, Meta(max_length=limits.MAX_QUERY_CHARS)] | None = None
    referrer_page: Page | None = None
    referrer_app_id: OptionalId = None
    share_id: OptionalId = None
    share_ticket: Annotated[str, Meta(max_length=limits.MAX_SHARE_TICKET_CHARS)] | None = None
    chat_type: Annotated[int, Meta(ge=0, le=32_767)] | None = None
    group_id: OptionalId = None
    utm: Utm | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=limits.MAX_DURATION_MS)] | None = None
    properties: Properties | None = None


class Envelope(Struct, gc=False, kw_only=True):
    """What all events of a batch share."""

    app_id: Id
    platform: Platform
    sent_at: Integer | None = None
    sdk: Sdk | None = None
    anonymous_id: OptionalId = None
    openid: OptionalId = None
    unionid: OptionalId = None
    user_id: OptionalId = None
    phone_hash: PhoneHash = None
    device: Device | None = None
    app_version: Short | None = None
    env_version: Short | None = None


class EventBatch(Envelope, gc=False, kw_only=True):
    """One request body: at least one of ``anonymous_id``, ``openid``, ``user_id`` here or in each event."""

    events: list[Event]
