"""
Thirty days of a mini-program by rule and seed: who comes, returns, shares, what phones send.

The same seed, scale, first day and app ids give the same batches in the same order, with the same
event_ids: an interrupted load can be sent again. Only the standard library's Random is used. Called
by ``demo``.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from loadtest import shop
from loadtest.people import (
    RETURN_CHANCE,
    RETURN_GAP,
    Account,
    Person,
    make_account,
    make_person,
)
from loadtest.visit import SUSPENDED_MS, Card, Visit

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 30
ORGANIC_PEOPLE = 5_600
"""Who find the shop by themselves at scale 1; cards bring about 600 more."""
SDK = {"name": "scenetrail-js", "version": "1.0.0"}

_MAX_FLUSH_EVENTS = 50
_MEMBER_DAY_FROM_END = 11
"""A day of discounts: more visitors, and a message that calls members back."""
_MEMBER_DAY_FACTOR = 2.1
_MEAN_OPENS = 1.9
"""Of one card, by friends; so that chains die out after a few generations."""
_OPEN_CHANNEL_FACTOR = {"message": 1.0, "timeline": 1.5, "copy": 0.4}
_OPENED_BY_NEW_PERSON = 0.42
_OPENED_BY_SHARER = 0.03
_MEAN_OPEN_DELAY_MS = 5 * 3_600_000
_REFUSED_CHANCE = 0.0016
_UNKNOWN_SCENE_CHANCE = 0.004
_NO_SCENE_CHANCE = 0.004


class Batch(Struct, frozen=True):
    """
    What one phone sends in one request.

    ``events`` are dicts in the wire's names. ``refused`` of them are made to be refused. ``day``
    counts from 0. ``clock_offset_ms`` is how wrong the phone's clock is; ``occurred_at`` has it in
    already.
    """

    envelope: dict[str, Any]
    events: list[dict[str, Any]]
    day: int
    refused: int = 0
    clock_offset_ms: int = 0

    @property
    def app_id(self) -> str:
        """The app that the batch belongs to."""
        return str(self.envelope["app_id"])

    def encode(self, now_ms: int) -> bytes:
        """Return the request body as sent at ``now_ms`` (epoch ms) by the true clock."""
        sent_at = {"sent_at": now_ms + self.clock_offset_ms}
        return msgspec.json.encode(self.envelope | sent_at | {"events": self.events})


class Life:
    """The simulation: visits in the order of their time, each of which may cause later ones."""

    def __init__(
        self,
        *,
        seed: int,
        first_day: date,
        app_ids: dict[str, str],
        scale: float = 1.0,
        days: int = DAYS,
    ) -> None:
        self._random = Random(seed)  # noqa: S311 - nothing secret
        self._app_ids = app_ids
        self._first_day = first_day
        self._days = days
        self._start_ms = self._ms(first_day)
        self._end_ms = self._ms(first_day + timedelta(days=days))
        self._number = 0
        self._visits: list[tuple[int, int, Person, Account, Card | None, str]] = []
        self._regulars: list[Person] = []
        self._people = 0
        for _ in range(max(1, round(ORGANIC_PEOPLE * scale))):
            self._arrive()

    def batches(self) -> Iterator[Batch]:
        """Yield everything that the phones send, in the order of the visits' times. Only once."""
        while self._visits:
            started_at, _, person, account, card, scene = heapq.heappop(self._visits)
            yield from self._visit(started_at, person, account, card, scene)

    @staticmethod
    def _ms(day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1000)

    # Who comes when.

    def _arrive(self) -> None:
        day_weights = []
        for number in range(self._days):
            weight = shop.DAY_WEIGHTS[(self._first_day + timedelta(days=number)).weekday()]
            is_member_day = number == self._days - _MEMBER_DAY_FROM_END
            day_weights.append(weight * (_MEMBER_DAY_FACTOR if is_member_day else 1.0))
        # People who knew the shop before are met in the first days.
        for number, factor in enumerate((6.0, 3.5, 2.2, 1.6)[: self._days]):
            day_weights[number] *= factor
        day = self._random.choices(range(self._days), cum_weights=list(accumulate(day_weights)))[0]
        person = self._new_person(None)
        self._schedule(self._moment_of(day), person, person.accounts[0], None, "")

    def _new_person(self, platform: str | None) -> Person:
        self._people += 1
        return make_person(self._random, self._people, self._app_ids, platform)

    def _moment_of(self, day: int) -> int:
        is_weekend = (self._first_day + timedelta(days=day)).weekday() >= 5
        hours = shop.WEEKEND_HOURS if is_weekend else shop.WEEKDAY_HOURS
        hour = hours.pick(self._random)
        return (
            self._start_ms + (day * 24 + hour) * 3_600_000 + int(self._random.random() * 3_600_000)
        )

    def _schedule(
        self, at_ms: int, person: Person, account: Account, card: Card | None, scene: str
    ) -> None:
        if at_ms < self._end_ms - SUSPENDED_MS:
            self._number += 1
            heapq.heappush(self._visits, (at_ms, self._number, person, account, card, scene))

    def _visit(
        self, started_at: int, person: Person, account: Account, card: Card | None, scene: str
    ) -> Iterator[Batch]:
        random = self._random
        day = (started_at - self._start_ms) // 86_400_000
        is_weekend = (self._first_day + timedelta(days=day)).weekday() >= 5
        if card:
            channels = shop.CARD_SCENES[account.platform]
            scene = channels.get(card.channel, channels["message"]).pick(random)
        elif not scene:
            scene = self._scene_of(account)
        if (not account.visits and len(self._regulars) < 400) or random.random() < 0.05:
            self._regulars.append(person)
        visit = Visit(
            random,
            person,
            account,
            started_at=started_at,
            scene=scene,
            card=card,
            is_weekend=is_weekend,
        )
        visit.play()
        for shared_at, shared in visit.cards:
            self._spread(shared_at, shared)
        self._plan_return(visit, person, day)
        yield from self._flush(visit, account, day)

    def _scene_of(self, account: Account) -> str:
        chance = self._random.random()
        if chance < _UNKNOWN_SCENE_CHANCE:
            return shop.UNKNOWN_SCENES[account.platform]
        if chance < _UNKNOWN_SCENE_CHANCE + _NO_SCENE_CHANCE:
            return ""
        table = shop.BACK_SCENES if account.visits else shop.NEW_SCENES
        return table[account.platform].pick(self._random)

    def _plan_return(self, visit: Visit, person: Person, day: int) -> None:
        random = self._random
        if visit.has_paid and person.kind != "regular":
            person.kind = "regular" if person.kind == "casual" else "casual"
        if visit.has_favorited and person.kind == "glance":
            person.kind = "casual"
        member_day = self._days - _MEMBER_DAY_FROM_END
        habit = RETURN_CHANCE[person.kind] * 0.992 ** sum(each.visits for each in person.accounts)
        if random.random() > habit:
            is_member = any(account.is_member for account in person.accounts)
            if is_member and day < member_day and random.random() < 0.35:
                account = person.accounts[0]
                scene = shop.RECALL_SCENE[account.platform]
                self._schedule(self._moment_of(member_day), person, account, None, scene)
            return
        mean, spread = RETURN_GAP[person.kind]
        gap_days = int(random.lognormvariate(mean, spread))
        account = person.accounts[0]
        if random.random() < 0.6:
            account = random.choice(person.accounts)
        if gap_days == 0:
            later = visit.ended_at + int((0.5 + 5 * random.random()) * 3_600_000)
            self._schedule(later, person, account, None, "")
            return
        back_on = self._first_day + timedelta(days=day + gap_days)
        if gap_days > 1 and random.random() < 0.22:
            gap_days += max(0, 5 - back_on.weekday())  # it waits until Saturday
        self._schedule(self._moment_of(day + gap_days), person, account, None, "")

    def _spread(self, shared_at: int, card: Card) -> None:
        """Let friends open a card, and now and then its sharer."""
        random = self._random
        mean = _MEAN_OPENS * _OPEN_CHANNEL_FACTOR[card.channel]
        opens = int(math.log(1.0 - random.random()) / math.log(mean / (1.0 + mean)))
        for _ in range(min(opens, 25)):
            at_ms = shared_at + 20_000 + int(random.expovariate(1.0 / _MEAN_OPEN_DELAY_MS))
            hour = datetime.fromtimestamp(at_ms / 1000, ZONE).hour
            if 1 <= hour < 7:
                at_ms += int((7 - hour + 4 * random.random()) * 3_600_000)  # seen in the morning
            friend = self._friend(card)
            self._schedule(at_ms, friend, self._account_on(friend, card.platform), card, "")

    def _account_on(self, person: Person, platform: str) -> Account:
        """Return somebody's account on a platform; a card may be the reason for the first one."""
        for account in person.accounts:
            if account.platform == platform:
                return account
        account = make_account(self._random, platform, self._app_ids[platform])
        person.accounts.append(account)
        return account

    def _friend(self, card: Card) -> Person:
        chance = self._random.random()
        if chance < _OPENED_BY_SHARER:
            return card.sharer
        if chance < _OPENED_BY_SHARER + _OPENED_BY_NEW_PERSON or not self._regulars:
            return self._new_person(card.platform)
        return self._random.choice(self._regulars)

    # What phones send.

    def _flush(self, visit: Visit, account: Account, day: int) -> Iterator[Batch]:
        release = min(len(shop.APP_VERSIONS) - 1, day * len(shop.APP_VERSIONS) // self._days)
        for piece in visit.pieces:
            envelope = {
                "app_id": account.app_id,
                "platform": account.platform,
                "sdk": SDK,
                **piece.ids,
                "device": account.device,
                "app_version": shop.APP_VERSIONS[release],
                "env_version": "release",
            }
            events = piece.events
            if account.clock_offset_ms:
                for event in events:
                    event["occurred_at"] += account.clock_offset_ms
            for start in range(0, len(events), _MAX_FLUSH_EVENTS):
                part = events[start : start + _MAX_FLUSH_EVENTS]
                refused = 0
                if self._random.random() < _REFUSED_CHANCE:
                    part.append(self._broken(part[-1]))
                    refused = 1
                yield Batch(envelope, part, int(day), refused, account.clock_offset_ms)

    def _broken(self, model: dict[str, Any]) -> dict[str, Any]:
        """Make an event as a faulty page of the shop would: it belongs among the refused."""
        event = {**model, "event_id": f"{self._random.getrandbits(88):022x}"}
        kind = self._random.randrange(3)
        if kind == 0:
            event["occurred_at"] = model["occurred_at"] // 1000
        elif kind == 1:
            event["properties"] = {"order": {"amount": 19.9, "currency": "CNY"}}
        else:
            event["event"] = ""
        return event
