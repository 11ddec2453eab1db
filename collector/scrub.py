"""
What may not reach the disk is taken out of a body before anything else looks at it.

That is denied properties, and openids of apps that keep only hashes of them. Called by ``ingest`` for apps that ask for it.
Rules of an app (``deny`` in the access file): ``phone``, ``id_card``, ``bank_card``, ``email`` look at names and values,
``name:<pattern>`` at names (``*`` stands for any characters; case does not matter). A denied property is left out and named
in the list property ``$denied``; in other texts (``page_query``, ``page``, ``utm`` …) the value is replaced by ``***``. Ids
are not looked at. The fate of an event is that of what is left. One that is no JSON is a dead letter with values replaced.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from collector import metrics
from collector.decode import BodyError, mark_lone_surrogates
from sdk_spec import cards, limits
from sdk_spec.access import App
from sdk_spec.id_hashing import hashed
from sdk_spec.ids import PLACEHOLDERS

FLAG = "$denied"
"""List property of an event: names of the properties that were left out."""
FORGED = "$forged_share_id"
"""Text property of an event: the share_id whose signature was wrong or missing."""
MASK = "***"
_IDS = frozenset(
    (
        *("app_id", "event_id", "anonymous_id", "openid", "unionid", "user_id", "session_id"),
        *("share_id", "group_id", "share_ticket", "referrer_app_id", "scene"),
    )
)
_SUSPECT = re.compile(r"\d{4}|@|%40")
"""Every value that a rule denies has one of these; most texts have none."""
_ENCODED = "(?<=%[0-9A-Fa-f]{2})"
_START = rf"(?:(?<![\dA-Za-z_.])|{_ENCODED})"
"""Where a number may begin: not within a word or after a point, but after ``%3D`` and the like of an encoded address."""
_WIDE_DIGITS = str.maketrans({chr(0xFF10 + digit): str(digit) for digit in range(10)})
"""Of Chinese input methods: １３８."""
_MARKED = re.compile(rb"\xff(u[dD][89a-fA-F][0-9a-fA-F]{2})")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _is_id_card(text: str) -> bool:
    """The check digit of GB 11643."""
    total = sum(int(digit) * weight for digit, weight in zip(text, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[17].upper()


def _is_bank_card(text: str) -> bool:
    """The check digit of Luhn."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


class Rule(msgspec.Struct, frozen=True):
    """What is denied: names by pattern, values by pattern and check."""

    names: tuple[str, ...]
    value: str
    is_one: Callable[[str], bool] = bool


_MAILBOX = r"[\w.+-]++(?:@|%40)[\w-]+(?:\.[\w-]+)+"

RULES = {
    "phone": Rule(
        ("*phone*", "mobile*", "tel", "telephone", "*手机*", "*电话*"),
        rf"{_START}(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{{4}}[- ]?\d{{4}}(?![\dA-Za-z_]|\.\d)",
    ),
    "id_card": Rule(
        ("id_card*", "idcard*", "id_no", "id_number", "*身份证*"),
        rf"(?:(?<![\dA-Za-z_])|{_ENCODED})[1-9]\d{{5}}(?:18|19|20)\d{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}[\dXx](?![\dA-Za-z_])",
        _is_id_card,
    ),
    "bank_card": Rule(
        ("bank_card*", "card_no", "*银行卡*"),
        rf"{_START}[3-6]\d{{3}}(?:[- ]?\d{{4}}){{2}}[- ]?\d{{3,7}}(?![\dA-Za-z_]|\.\d)",
        _is_bank_card,
    ),
    "email": Rule(
        ("*email*", "e-mail", "*邮箱*"),
        # TRICKY: begins only where a run of its characters does, and takes what hangs on it along; else every character of a
        # long text is a beginning, and 16,000 of them cost 128 million steps.
        rf"(?<![\w.+-]){_MAILBOX}(?:{_MAILBOX})*",
    ),
}
NAME = "name:"


def wrong_rule(rule: str) -> bool:
    """True for a text that is no rule."""
    return rule not in RULES and not (rule.startswith(NAME) and len(rule) > len(NAME))


class Scrubber:
    """The rules of one app, compiled. ``hash_key``: None leaves openids as they are."""

    def __init__(
        self,
        app_id: str,
        deny: tuple[str, ...],
        hash_key: bytes | None,
        card_key: bytes | None = None,
        *,
        cards_required: bool = False,
    ) -> None:
        self._app_id = app_id
        self._card_key = card_key
        self._cards_required = cards_required
        self._hash_key = hash_key
        self._names: dict[str, re.Pattern[str]] = {}
        self._values: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {}
        for rule in deny:
            known = RULES.get(rule)
            patterns = (rule.removeprefix(NAME),) if known is None else known.names
            self._names[rule] = re.compile("|".join(map(_glob, patterns)), re.I | re.S)
            if known is not None:
                self._values[rule] = (re.compile(known.value), known.is_one)
        self._rule_of_short_name = lru_cache(maxsize=4_096)(self._match_name)

    def __call__(self, body: bytes) -> bytes:
        """
        Return the body without what is denied; the same object where there is nothing.

        Complexity: 7 µs an event of 5 properties, 20 µs where several hold long numbers. A search over all of it was slower.
        Errors: BodyError for a body that is nested too deeply to be looked at.
        """
        try:
            return self._scrubbed(body)
        except RecursionError as error:
            raise BodyError("not_json", "$", "the JSON is nested too deeply") from error

    def _scrubbed(self, body: bytes) -> bytes:
        found: Counter[str] = Counter()
        try:
            batch = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return self._in_parts(body, found)
        if not isinstance(batch, dict):
            return body  # refused as a whole: nothing of it is stored
        changed = self._of_batch(batch, found)
        events = batch.get("events")
        if isinstance(events, list):
            for event in events:
                changed |= self._of_event(event, found)
        self._count(found)
        return msgspec.json.encode(batch) if changed else body

    @staticmethod
    def _count(found: Counter[str]) -> None:
        for rule, number in found.items():
            metrics.properties_denied_total.labels(rule).inc(number)

    def _in_parts(self, body: bytes, found: Counter[str]) -> bytes:
        """The same where an event is no JSON: each by itself."""
        # Half a surrogate pair would stop the look at its neighbours as well.
        body = mark_lone_surrogates(body) or body
        try:
            batch = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            events = msgspec.json.decode(batch["events"], type=list[msgspec.Raw])
            rest = {
                name: msgspec.json.decode(part) for name, part in batch.items() if name != "events"
            }
        except (ValueError, KeyError, RecursionError):
            return body  # refused as a whole: nothing of it is stored
        self._of_batch(rest, found)
        parts = []
        for raw in events:
            with contextlib.suppress(ValueError, RecursionError):
                event = msgspec.json.decode(raw)
                self._of_event(event, found)
                parts.append(msgspec.json.encode(event))
                continue
            parts.append(self._masked(bytes(raw), found))
        self._count(found)
        head = msgspec.json.encode(rest)[:-1]
        return b'%s%s"events":[%s]}' % (head, b"," if rest else b"", b",".join(parts))

    def _masked(self, raw: bytes, found: Counter[str]) -> bytes:
        """Text that cannot be read, with values replaced; an id that would have to be hashed goes as well."""
        raw = _MARKED.sub(rb"\\\1", raw)
        text = self._clean(raw.decode("utf-8", "surrogateescape"), found)
        if self._hash_key is not None:
            text = re.sub(r'("openid"\s*:\s*")[^"]*', rf"\1{MASK}", text)
        return text.encode("utf-8", "surrogateescape")

    def _of_batch(self, batch: dict[str, Any], found: Counter[str]) -> bool:
        changed = self._hash(batch)
        for name, value in batch.items():
            if name not in _IDS and name not in ("events", "properties"):
                batch[name], one = self._texts(value, found)
                changed |= one
        return changed

    def _of_event(self, event: object, found: Counter[str]) -> bool:
        if not isinstance(event, dict):
            return False
        changed = self._of_batch(event, found)
        if self._card_key is not None:
            changed |= self._check_card(event, self._card_key)
        properties = event.get("properties")
        if not isinstance(properties, dict) or not self._names:
            return changed
        denied = []
        for name, value in list(properties.items()):
            rule = self._rule_of_name(name) or self._rule_of_value(value)
            if rule is not None:
                denied.append(name)
                found[rule] += 1
                del properties[name]
        if denied:
            # A name may be the value itself: {"13800138000": true}.
            properties[FLAG] = [self._clean(name, Counter()) for name in denied[:100]]
        return changed or bool(denied)

    def _check_card(self, event: dict[str, Any], key: bytes) -> bool:
        """Move a forged share_id out of the way, of an opening or of a share, to where it is counted."""
        properties = event.get("properties")
        places = [event]
        if event.get("event") == "share" and isinstance(properties, dict):
            places.append(properties)
        forged = None
        for place in places:
            share_id = place.get("share_id")
            if (
                isinstance(share_id, str)
                and share_id
                and cards.is_forged(key, share_id, required=self._cards_required)
            ):
                forged = place.pop("share_id")
        if forged is None:
            return False
        metrics.cards_forged_total.inc()
        if not isinstance(properties, dict):
            properties = event["properties"] = {}
        properties[FORGED] = forged
        return True

    def _hash(self, part: dict[str, Any]) -> bool:
        openid = part.get("openid")
        if self._hash_key is None or not isinstance(openid, str):
            return False
        if not openid or openid.strip().lower() in PLACEHOLDERS:
            return False
        part["openid"] = hashed(self._hash_key, self._app_id, openid)
        return bool(part["openid"] != openid)

    def _texts(self, value: Any, found: Counter[str]) -> tuple[Any, bool]:  # noqa: ANN401 (any JSON)
        """A value outside of properties with denied values replaced, and whether there were any."""
        if isinstance(value, str):
            clean = self._clean(value, found)
            return clean, clean != value
        if isinstance(value, dict):
            changed = False
            for name, one in value.items():
                value[name], has = self._texts(one, found)
                changed |= has
            return value, changed
        if isinstance(value, list):
            pairs = [self._texts(one, found) for one in value]
            return [one for one, _ in pairs], any(has for _, has in pairs)
        return value, False

    def _clean(self, text: str, found: Counter[str]) -> str:
        if not _SUSPECT.search(text):
            return text
        given, text = text, _narrow(text)
        plain = text
        for rule, (pattern, is_one) in self._values.items():

            def put(match: re.Match[str], rule: str = rule, is_one: Any = is_one) -> str:  # noqa: ANN401
                if not is_one(match[0]):
                    return match[0]
                found[rule] += 1
                return MASK

            text = pattern.sub(put, text)
        return given if text == plain else text

    def _rule_of_name(self, name: str) -> str | None:
        # Longer ones are refused later; thousands of megabytes of them are not to be remembered.
        is_short = len(name) <= limits.MAX_PROPERTY_NAME_CHARS
        return self._rule_of_short_name(name) if is_short else self._match_name(name)

    def _match_name(self, name: str) -> str | None:
        for rule, pattern in self._names.items():
            if pattern.fullmatch(name):
                return rule
        return self._rule_of_value(name)

    def _rule_of_value(self, value: object) -> str | None:
        kind = type(value)
        if kind is bool or kind is float or value is None:
            return None
        if isinstance(value, list | dict):
            parts = value if isinstance(value, list) else [*value, *value.values()]
            return next((rule for part in parts if (rule := self._rule_of_value(part))), None)
        text = str(value)
        if not _SUSPECT.search(text):
            return None
        text = _narrow(text)
        for rule, (pattern, is_one) in self._values.items():
            if any(is_one(match[0]) for match in pattern.finditer(text)):
                return rule
        return None


def _narrow(text: str) -> str:
    return text if text.isascii() else text.translate(_WIDE_DIGITS)


def _glob(pattern: str) -> str:
    """
    Return the regular expression of a pattern with ``*``.

    TRICKY: what stands between two ``*`` is looked for once, at its first place, which is as good as any later one. Else the
    steps of a long name that does not match grow with its length to the power of the ``*``, and a client stops a worker.
    """
    first, *others = map(re.escape, pattern.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>.*?{part})" for part in middle) + f".*{last}"


@lru_cache(maxsize=1_024)
def scrubber(app: App, key: bytes | None) -> Scrubber:
    """Return the compiled rules of an app; ``key``: that of the data folder, where the app needs one."""
    return Scrubber(
        app.app_id,
        tuple(rule for rule in app.deny if not wrong_rule(rule)),
        key if app.hash_openids else None,
        cards.card_key(key, app.app_id) if key and app.signed_cards != "off" else None,
        cards_required=app.signed_cards == "required",
    )
