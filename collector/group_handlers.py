"""
``POST /v1/group-entry``: the group that a visit came from, out of WeChat's ``encryptedData`` (encrypted_data.py).

For the brand's own server, in any language: code2Session gave it the session key, its mini-program the data. The key lives in
memory while the request is answered; nothing of it is kept or logged. A write key suffices, since it opens nothing: who asks
brings the session key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

from collector import encrypted_data, handlers
from collector.decode import BodyError

if TYPE_CHECKING:
    from collector.app import State

_MAX_BODY_BYTES = 16_384


class Asked(Struct, frozen=True):
    """The body: what code2Session gave, and what wx.getGroupEnterInfo or wx.getShareInfo gave; base64."""

    session_key: str
    iv: str
    encrypted_data: str


async def exchange(request: web.Request) -> web.Response:
    """Answer the fields of an event that the data fills: ``group_id`` and ``chat_type``, those that there are."""
    state: State = request["state"]
    app, signed = handlers.authorize(state, request)
    body = await handlers.read_body(
        request, state.settings.body_timeout_s, _MAX_BODY_BYTES, state.arriving
    )
    if signed is not None and not signed.is_of(request.headers.get("Content-Encoding", ""), body):
        raise handlers.refused(
            state, request, "signature_invalid", "not signed with this key and body"
        )
    state.limit_rate(app)
    entry = _entry(body, app.app_id, state.now_ms() / 1000)
    return web.Response(
        body=msgspec.json.encode(encrypted_data.as_event_fields(entry)),
        content_type="application/json",
    )


def _entry(body: bytes, app_id: str, now_s: float) -> encrypted_data.GroupEntry:
    """Return what is inside. Errors: BodyError, whose path tells a session key that is not the data's own."""
    try:
        asked = msgspec.json.decode(body, type=Asked)
        return encrypted_data.group_entry(
            asked.session_key, asked.iv, asked.encrypted_data, app_id, now_s
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyError(
            "invalid_request", "$", "give session_key, iv and encrypted_data as texts in JSON"
        ) from error
    except encrypted_data.WrongSessionKeyError as error:
        raise BodyError("invalid_request", "$.session_key", str(error)) from None
    except encrypted_data.EncryptedDataError as error:
        raise BodyError("invalid_request", "$", str(error)) from None
