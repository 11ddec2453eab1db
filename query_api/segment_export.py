"""
Segments for a channel (人群包): the ids under which a channel reaches the persons of a segment, without those who opted out.

A channel is ``openid`` (of one app), ``unionid``, ``user_id``, ``phone_hash`` (of several the newest), or ``attribute``: the
text of an attribute of the person, such as an email. Who has none is only counted. The attribute ``opt_out`` (another:
``opt_out=<name>``), as ``user_set`` left it in any app of the project, keeps a person out: ``true``, a number other than 0,
``all``, the name of the channel or of its attribute (``email``), or a list with one of these, in upper or lower case. Called
by segment_handlers.py.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from query_api import attributes, source
from query_api.bindings import Bindings
from query_api.errors import InvalidRequest, QueryError
from query_api.params import MAX_USERS_PER_PAGE, whole_number
from query_api.report import Row, UserSelect
from query_api.sql import load_sql
from sdk_spec.ids import PLACEHOLDERS

Channel = Literal["openid", "unionid", "user_id", "phone_hash", "attribute"]
CHANNELS: tuple[str, ...] = get_args(Channel)
OPT_OUT = "opt_out"
EXPORT_PARAMETERS = {
    "channel": "openid, unionid, user_id, phone_hash or attribute",
    "app_id": "With channel openid: its app",
    "attribute": "With channel attribute: the name, such as email",
    "opt_out": "Attribute that keeps a person out; opt_out",
    "snapshot": "A day: its snapshot instead of the rule now",
    "limit": "Members of a page",
    "after": "next_after of the page before",
}


class Wish(Struct, frozen=True, kw_only=True):
    """What the address asks for."""

    channel: str
    app_id: str = ""
    attribute: str = ""
    opt_out: str = OPT_OUT
    snapshot: str = ""
    limit: int = MAX_USERS_PER_PAGE
    after: int = 0


def wish_of(query: dict[str, str], readable: list[str]) -> Wish:
    """
    Read the parameters of the address. Errors: ``invalid_request`` with the parameter; ``forbidden`` for an app.
    """
    unknown = sorted(set(query) - set(EXPORT_PARAMETERS))
    if unknown:
        raise InvalidRequest(f"$.{unknown[0]}", f"there are {', '.join(EXPORT_PARAMETERS)}")
    limit = query.get("limit", str(MAX_USERS_PER_PAGE))
    texts = {name: value for name, value in query.items() if name not in ("limit", "after")}
    wish = Wish(
        **{"channel": "", **texts},
        limit=whole_number(limit, "$.limit", 1, MAX_USERS_PER_PAGE),
        after=whole_number(query.get("after", "0"), "$.after", 0, 2**64 - 1),
    )
    if wish.channel not in CHANNELS:
        raise InvalidRequest("$.channel", f"one of {', '.join(CHANNELS)}")
    if (wish.channel == "openid") != bool(wish.app_id):
        raise InvalidRequest("$.app_id", "with channel openid, and only there: its app")
    if (wish.channel == "attribute") != bool(wish.attribute):
        raise InvalidRequest("$.attribute", "with channel attribute, and only there: its name")
    if not wish.opt_out or wish.attribute == wish.opt_out:
        raise InvalidRequest("$.opt_out", "the name of an attribute")
    if wish.app_id and wish.app_id not in readable:
        raise QueryError("forbidden", "this token cannot read this app", "$.app_id")
    return wish


def statement(
    wish: Wish, members: UserSelect, readable: list[str], project_apps: list[str]
) -> UserSelect:
    """
    Return the SELECT of all members with ``id`` and ``opted_out``, a page of them.

    ``project_apps``: whose events may say that a person opted out, also those that the token cannot read.
    """
    bindings = Bindings(user_names=(wish.opt_out,))
    rows = bindings.embed("members", members.sql, members.bindings)
    bindings.named("after", wish.after, "UInt64")
    bindings.named("page_limit", wish.limit + 1, "UInt32")
    words = ["true", "all", *(name.lower() for name in _names(wish))]
    bindings.named("words", words, "Array(String)")
    bindings.named("channel", wish.channel, "String")
    bindings.named("channel_app_id", wish.app_id, "String")
    bindings.named("app_ids", readable, "Array(String)")
    with_opt_out = attributes.joined(bindings, rows, bindings.user_names, project_apps, "latest")
    if wish.channel == "attribute":
        inner = Bindings(user_names=(wish.attribute,))
        own = attributes.joined(
            inner, "SELECT user FROM wanted", (wish.attribute,), readable, "latest"
        )
        ids = load_sql("segment_export.attribute", rows=bindings.embed("own", own, inner))
    else:
        bindings.named("placeholders", sorted(PLACEHOLDERS), "Array(String)")
        own_id = "''" if wish.channel == "phone_hash" else wish.channel
        ids = load_sql("segment_export.ids", own_id=own_id, persons=source.persons(bindings))
    sql = load_sql("segment_export.page", members=with_opt_out, ids=ids)
    return UserSelect("segment_export.page", sql, bindings)


def _names(wish: Wish) -> list[str]:
    """Return the names by which a person can refuse the channel."""
    return [name for name in (wish.channel, wish.attribute) if name]


def result_of(wish: Wish, rows: list[Row]) -> tuple[Row, bool]:
    """Shape the rows of ``statement`` into the result; and whether there is a next page."""
    more = len(rows) > wish.limit
    rows = rows[: wish.limit]
    name = wish.attribute or wish.channel
    reached = [row for row in rows if row["id"] and not row["opted_out"]]
    return {
        "users": [{"user": str(row["user"]), name: row["id"]} for row in reached],
        "members": len(rows),
        "opted_out": sum(bool(row["opted_out"]) for row in rows),
        "without_id": sum(not row["id"] and not row["opted_out"] for row in rows),
        "next_after": str(rows[-1]["user"]) if more else None,
    }, more


def semantics(wish: Wish) -> Row:
    """Return what the list means."""
    return {
        "channel": wish.channel,
        "app_id": wish.app_id or None,
        "attribute": wish.attribute or None,
        "opt_out": f"user.{wish.opt_out} of any app of the project: true, a number other than 0, all, "
        f"{', '.join(_names(wish))}, or a list with one of these, in upper or lower case",
        "members": "persons of the page; opted_out and without_id of them are not listed",
        "order": "by `user`; the next page is asked for with `after`: next_after",
        "hashed": "an app that keeps openids as keyed hashes has only these",
    }
