"""
The people of the demo and their phones. Used by ``visit`` and ``life``.

All chance comes from the Random given. A person has one account for each platform used. An account
starts anonymous, learns its openid by the silent login of the platform, and becomes a member
(user_id) at the first order or coupon. Accounts of one person meet in the user_id, a few in the
unionid only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from loadtest import shop

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

RETURN_CHANCE = {"glance": 0.14, "casual": 0.55, "regular": 0.94}
"""Of coming back after a visit."""
RETURN_GAP = {"glance": (1.2, 1.0), "casual": (1.0, 0.9), "regular": (0.3, 0.9)}
"""Days until then: mu and sigma of a lognormal."""
_KINDS = shop.Weighted({"glance": 44.0, "casual": 37.0, "regular": 19.0})
_SECOND_PLATFORM_CHANCE = 0.16
_THIRD_PLATFORM_CHANCE = 0.2
_UNIONID_ONLY_CHANCE = 0.1
_SKEW_CHANCE = 0.012
_SKEWS_MS = (
    -8 * 3_600_000,  # a time zone gone wrong
    2 * 86_400_000,
    -45 * 60_000,
    26 * 60_000,
    -400 * 86_400_000,  # an empty battery: the clock starts in the past
)
_AGES = shop.Weighted({"18-24": 19, "25-34": 37, "35-44": 25, "45-54": 13, "55+": 6})


def letters(random: Random, length: int) -> str:
    """Make an id as platforms make them."""
    return "".join(random.choices(_LETTERS, k=length))


@dataclass(slots=True)
class Account:
    """One person's use of one app on one phone."""

    platform: str
    app_id: str
    anonymous_id: str
    openid: str
    device: dict[str, Any]
    clock_offset_ms: int
    knows_openid: bool = False
    is_member: bool = False
    visits: int = 0
    awake_until: int = 0
    """Until then the app lies suspended in memory, and a visit is a warm start."""


@dataclass(slots=True)
class Person:
    """Somebody with habits."""

    number: int
    kind: str
    city: str
    age: str
    gender: str
    category: str
    accounts: list[Account]
    unionid: str
    binds_by: str
    """``user_id`` or ``unionid``: what joins the accounts of more than one platform."""
    orders: int = 0
    spent: float = 0.0
    coupons: list[str] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        """The shop's member number."""
        return f"SY{8_000_000 + self.number}"


def _openid(random: Random, platform: str) -> str:
    if platform == "wechat":
        return "oT5kL" + letters(random, 23)
    if platform == "alipay":
        return "0" + letters(random, 46)
    return "_000" + letters(random, 32)


def make_account(random: Random, platform: str, app_id: str) -> Account:
    """Give somebody a phone with the app of this platform."""
    phone = shop.PHONES.pick(random)
    device = {
        "brand": phone.brand,
        "model": phone.model,
        "os": phone.os,
        "os_version": phone.os_version,
        "host_version": shop.HOST_VERSIONS[platform].pick(random),
        "base_library_version": shop.BASE_LIBRARY_VERSIONS[platform],
        "language": "zh_CN",
        "network_type": shop.NETWORKS.pick(random),
        "screen_width": phone.screen_width,
        "screen_height": phone.screen_height,
    }
    chance = random.random()
    return Account(
        platform=platform,
        app_id=app_id,
        anonymous_id=letters(random, 22),
        openid=_openid(random, platform),
        device=device,
        clock_offset_ms=random.choice(_SKEWS_MS) if chance < _SKEW_CHANCE else 0,
    )


def make_person(
    random: Random, number: int, app_ids: dict[str, str], platform: str | None = None
) -> Person:
    """
    Make somebody new.

    Args:
        random: the only source of chance.
        number: unique in the demo.
        app_ids: app of each platform.
        platform: where the person is met first; None chooses by weight.
    """
    first = platform or shop.FIRST_PLATFORM.pick(random)
    platforms = [first]
    if random.random() < _SECOND_PLATFORM_CHANCE:
        others = [other for other in shop.PLATFORMS if other != first]
        random.shuffle(others)
        platforms += others if random.random() < _THIRD_PLATFORM_CHANCE else others[:1]
    kind = _KINDS.pick(random)
    if len(platforms) > 1 and kind == "glance":
        kind = "casual"
    return Person(
        number=number,
        kind=kind,
        city=shop.CITIES.pick(random),
        age=_AGES.pick(random),
        gender="女" if random.random() < 0.63 else "男",
        category=shop.CATEGORIES.pick(random),
        accounts=[make_account(random, each, app_ids[each]) for each in platforms],
        unionid="oU8xP" + letters(random, 23),
        binds_by="unionid" if random.random() < _UNIONID_ONLY_CHANCE else "user_id",
    )
