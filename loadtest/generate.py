"""
A flat workload for throughput: bodies of events of about 270 bytes, made by patching templates.

Each body is unique: its event_ids are ``<run>-<body number, 8 hex digits>-<place, 3 digits>``, so
that a set of bodies is proved stored by counting (``verify``), and a body sent again has the same
ids. Making a body costs three searches through its bytes, far less than any server needs to read
it. Deterministic by seed, run and body number, but for the two clocks.
"""

from __future__ import annotations

import zlib
from random import Random
from typing import Any

import msgspec

from loadtest import shop
from loadtest.people import letters

_TEMPLATES = 64
_TEMPLATE_EVENTS = 20_000
"""At most, in all templates together: building them takes about 0.1 s."""
_USERS = 200_000
RUN_CHARS = 8
"""At most; the length of a time in ms in base 36."""
_BODY_MARK = b"@@body@@"
_USER_MARK = b"@user@"
_SECOND_MARK = 8_888_888_888
"""Stands for the seconds in occurred_at (13 digits: the milliseconds stay)."""
_SECOND_BYTES = str(_SECOND_MARK).encode()
_SENT_MARK = 7_777_777_777_777
_SENT_BYTES = str(_SENT_MARK).encode()
_EVENTS = shop.Weighted(
    {"page_view": 46.0, "product_view": 30.0, "tap": 10.0, "add_to_cart": 9.0, "order_pay": 5.0}
)
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # zlib's code for "with gzip header"


class FlatWorkload:
    """Makes the bodies of one run."""

    def __init__(self, *, seed: int, run: str, app_id: str, batch: int) -> None:
        if len(run) > RUN_CHARS or not run.isalnum():
            raise ValueError(f"run must be 1 to {RUN_CHARS} letters and digits, got {run!r}")
        self.run = run
        self.app_id = app_id
        self.batch = batch
        self._seed = seed
        random = Random(seed)  # noqa: S311 - nothing secret
        count = max(1, min(_TEMPLATES, _TEMPLATE_EVENTS // batch))
        self._templates = [self._template(random) for _ in range(count)]

    @property
    def event_bytes(self) -> float:
        """Mean size of an event in JSON, its share of the envelope left out."""
        sizes = [
            len(msgspec.json.encode(event))
            for template in self._templates
            for event in msgspec.json.decode(template)["events"]
        ]
        return sum(sizes) / len(sizes)

    def body(self, number: int, now_ms: int) -> bytes:
        """Return body ``number`` as sent at ``now_ms`` (epoch ms): same ids, other clocks."""
        user = b"%06d" % (number * 7_919 % _USERS)
        return (
            self._templates[number % len(self._templates)]
            .replace(_BODY_MARK, b"%08x" % number)
            .replace(_SECOND_BYTES, b"%010d" % (now_ms // 1000 - 1))
            .replace(_USER_MARK, user)
            .replace(_SENT_BYTES, b"%013d" % now_ms)
        )

    def event_id(self, number: int, place: int) -> str:
        """Return the id of one event."""
        return f"{self.run}-{number:08x}-{place:03d}"

    def _template(self, random: Random) -> bytes:
        events = [self._event(random, place) for place in range(self.batch)]
        envelope: dict[str, Any] = {
            "app_id": self.app_id,
            "platform": "wechat",
            "sent_at": _SENT_MARK,
            "sdk": {"name": "loadtest", "version": "1.0.0"},
            "anonymous_id": f"load-{_USER_MARK.decode()}",
            "openid": f"oLoad{_USER_MARK.decode()}{letters(Random(self._seed), 17)}",  # noqa: S311
            "device": {"brand": "HUAWEI", "model": "Mate 60 Pro", "os": "HarmonyOS"},
            "app_version": "3.2.0",
            "events": events,
        }
        template = msgspec.json.encode(envelope)
        if template.count(_SECOND_BYTES) != self.batch:
            raise ValueError("a mark of the template occurs by accident; choose another seed")
        return template

    def _event(self, random: Random, place: int) -> dict[str, Any]:
        item = random.choice(shop.ITEMS)
        return {
            "event_id": f"{self.run}-{_BODY_MARK.decode()}-{place:03d}",
            "event": _EVENTS.pick(random),
            "occurred_at": _SECOND_MARK * 1000 + place * 1000 // self.batch,
            "seq": place + 1,
            "session_id": f"{_BODY_MARK.decode()}{self.run}",
            "scene": shop.BACK_SCENES["wechat"].pick(random),
            "page": "pages/goods/detail",
            "page_query": f"sku={item.sku}",
            "properties": {
                "sku": item.sku,
                "category": item.category,
                "price": item.price,
                "city": shop.CITIES.pick(random),
                "vip": random.random() < 0.3,
            },
        }


def compress(body: bytes) -> bytes:
    """Gzip as a client would that has little time."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()
