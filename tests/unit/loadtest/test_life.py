"""The demo's life: what it promises, and that it can be made again."""

import hashlib
from collections import defaultdict
from datetime import date, datetime

import msgspec
import pytest

from loadtest import shop
from loadtest.life import DAYS, ZONE, Batch, Life
from sdk_spec import EventBatch, limits
from sdk_spec.scenes import dictionary

FIRST_DAY = date(2026, 10, 26)
APP_IDS = {platform: f"app-{platform}" for platform in shop.PLATFORMS}


def live(scale: float, seed: int = 7) -> list[Batch]:
    life = Life(seed=seed, first_day=FIRST_DAY, app_ids=APP_IDS, scale=scale)
    return list(life.batches())


@pytest.fixture(scope="module")
def small() -> list[Batch]:
    return live(0.1)


@pytest.fixture(scope="module")
def whole() -> list[Batch]:
    return live(1.0)


@pytest.fixture(scope="module")
def roots(whole: list[Batch]) -> dict[tuple[str, ...], tuple[str, ...]]:
    return persons(whole)


def good_events(batches: list[Batch]) -> list[dict]:
    return [
        event for batch in batches for event in batch.events[: len(batch.events) - batch.refused]
    ]


def persons(batches: list[Batch]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Join ids that stand together; returns the root of each id."""
    parent: dict[tuple[str, ...], tuple[str, ...]] = {}

    def root(key: tuple[str, ...]) -> tuple[str, ...]:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for batch in batches:
        keys = ids_of(batch)
        for key in keys[1:]:
            parent[root(key)] = root(keys[0])
        root(keys[0])
    return {key: root(key) for key in parent}


def ids_of(batch: Batch) -> list[tuple[str, ...]]:
    envelope = batch.envelope
    return [
        (kind, envelope["app_id"] if kind in ("anonymous_id", "openid") else "", envelope[kind])
        for kind in ("anonymous_id", "openid", "unionid", "user_id")
        if kind in envelope
    ]


def test_same_seed_gives_the_same_bytes(small):
    def digest(batches: list[Batch]) -> str:
        return hashlib.sha256(b"".join(batch.encode(0) for batch in batches)).hexdigest()

    assert digest(small) == digest(live(0.1))
    assert digest(small) != digest(live(0.1, seed=8))


def test_event_ids_are_unique(whole):
    ids = [event["event_id"] for batch in whole for event in batch.events]

    assert len(set(ids)) == len(ids)


def test_every_event_is_valid_but_those_made_to_be_refused(small):
    decoder = msgspec.json.Decoder(EventBatch)
    for batch in small:
        good = batch.events[: len(batch.events) - batch.refused]
        body = msgspec.json.encode(batch.envelope | {"sent_at": 1, "events": good})
        decoded = decoder.decode(body)
        assert len(decoded.events) == len(good) <= 50
        for event in decoded.events:
            assert event.occurred_at > limits.MIN_OCCURRED_AT_MS


def test_events_made_to_be_refused_are_wrong(whole):
    refused = [batch.events[-1] for batch in whole if batch.refused]

    assert 20 < len(refused) < 200
    for event in refused:
        if event["occurred_at"] < limits.MIN_OCCURRED_AT_MS:
            continue
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(
                {"app_id": "a", "platform": "wechat", "events": [event]}, type=EventBatch
            )


def test_whole_demo_has_the_promised_size_and_platforms(whole, roots):
    active = {roots[ids_of(batch)[0]] for batch in whole}
    platforms = {batch.envelope["platform"] for batch in whole}
    events = sum(len(batch.events) for batch in whole)

    assert len(active) >= 5_000
    assert platforms == {"wechat", "alipay", "douyin"}
    assert 250_000 <= events <= 400_000
    assert {batch.day for batch in whole} == set(range(DAYS))


def test_persons_meet_on_several_platforms(whole, roots):
    platforms = defaultdict(set)
    joined_by_unionid = 0
    for batch in whole:
        platforms[roots[ids_of(batch)[0]]].add(batch.envelope["platform"])
        is_wechat = batch.envelope["platform"] == "wechat"
        joined_by_unionid += "unionid" in batch.envelope and not is_wechat
    counts = [len(names) for names in platforms.values()]

    assert counts.count(2) > 100
    assert counts.count(3) > 5
    assert joined_by_unionid > 50


def test_anonymous_users_log_in_later(whole):
    stages = defaultdict(list)
    for batch in whole:
        key = (batch.app_id, batch.envelope["anonymous_id"])
        stages[key].append(("openid" in batch.envelope, "user_id" in batch.envelope))
    later = [seen for seen in stages.values() if seen[0] == (False, False) and seen[-1][1]]

    assert len(later) > 500
    assert all(seen == sorted(seen) for seen in stages.values()), "nobody forgets who they are"


def test_share_chains_run_over_generations(whole):
    shares = {
        event["properties"]["share_id"]: event["properties"]
        for event in good_events(whole)
        if event["event"] == "share"
    }
    opened = {event["share_id"] for event in good_events(whole) if "share_id" in event}

    assert max(share["depth"] for share in shares.values()) >= 4
    assert opened <= set(shares)
    for share in shares.values():
        parent = share.get("parent_share_id")
        assert share["depth"] == (shares[parent]["depth"] + 1 if parent else 1)


def test_funnel_narrows_and_later_steps_follow_earlier_ones(whole, roots):
    users = defaultdict(set)
    for batch in whole:
        person = roots[ids_of(batch)[0]]
        for event in batch.events:
            users[event["event"]].add(person)
    steps = ["app_show", "product_view", "add_to_cart", "order_submit", "order_pay"]
    sizes = [len(users[step]) for step in steps]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 300
    for later, earlier in zip(steps[1:], steps, strict=False):
        assert users[later] <= users[earlier]


def test_scenes_are_those_of_the_tables_but_for_a_few(whole):
    known = {(scene.platform, scene.scene) for scene in dictionary().scenes}
    unknown = set()
    for batch in whole:
        for event in batch.events:
            if "scene" in event:
                key = (batch.envelope["platform"], str(event["scene"]))
                if key not in known:
                    unknown.add(key)

    assert unknown == set(shop.UNKNOWN_SCENES.items())


def test_weekends_and_evenings_are_busier(whole):
    starts = [
        datetime.fromtimestamp((event["occurred_at"] - batch.clock_offset_ms) / 1000, ZONE)
        for batch in whole
        for event in batch.events
        if event["event"] == "app_show"
    ]
    weekend = sum(start.weekday() >= 5 for start in starts) / 2
    weekday = sum(start.weekday() < 5 for start in starts) / 5
    evening = sum(start.hour in (20, 21) for start in starts)
    morning = sum(start.hour in (9, 10) for start in starts)

    assert weekend > 1.15 * weekday
    assert evening > 1.5 * morning


def test_return_falls_with_the_days(whole, roots):
    days = defaultdict(set)
    for batch in whole:
        days[roots[ids_of(batch)[0]]].add(batch.day)

    def rate(first: int, last: int) -> float:
        """Mean over the days after the first visit."""
        pairs = [
            min(seen) + after in seen
            for seen in days.values()
            for after in range(first, last + 1)
            if min(seen) + after < DAYS
        ]
        return sum(pairs) / len(pairs)

    assert 0.1 < rate(1, 1) < 0.4
    assert rate(1, 1) > rate(2, 6) > rate(7, 13) > rate(14, 27) > 0


def test_skewed_phones_are_corrected_by_one_offset(whole):
    skewed = [batch for batch in whole if batch.clock_offset_ms]
    body = msgspec.json.decode(skewed[0].encode(1_000_000_000_000))

    assert len(skewed) > 100
    assert body["sent_at"] == 1_000_000_000_000 + skewed[0].clock_offset_ms


def test_sequence_counts_up_within_a_session(small):
    last = {}
    for event in good_events(small):
        session = event["session_id"]
        assert event["seq"] == last.get(session, (0, 0))[0] + 1
        assert event["occurred_at"] >= last.get(session, (0, 0))[1]
        last[session] = (event["seq"], event["occurred_at"])
