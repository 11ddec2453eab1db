"""Clock, recent ids, filter of known keys, rate, bodies that arrive: each against its obvious meaning."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.arriving import Arriving, Body
from collector.enrich import CLOCK_VERDICTS, clock_offset_ms, correct_times
from collector.filter import KeyFilter
from collector.rate import RateLimit
from collector.recent import RecentIds
from sdk_spec import limits

NOW = 1_795_300_912_353
SKEW = limits.MAX_CLOCK_SKEW_MS
client_times = st.integers(0, limits.MAX_CLIENT_CLOCK_MS) | st.integers(NOW - 10**6, NOW + 10**6)


@given(sent_at=client_times | st.none(), occurred=st.lists(client_times, min_size=1, max_size=20))
def test_clock_correction_is_that_of_the_contract(sent_at: int | None, occurred: list[int]) -> None:
    offset = clock_offset_ms(sent_at, NOW, SKEW)
    n = len(occurred)

    corrected, verdicts = correct_times(
        np.array(occurred), np.full(n, offset), np.full(n, NOW), np.full(n, SKEW)
    )

    shifts = sent_at is not None and abs(NOW - sent_at) > SKEW
    for at, result, verdict in zip(occurred, corrected, verdicts, strict=True):
        expected = at + (NOW - sent_at) if sent_at is not None and shifts else at
        if expected > NOW + SKEW:
            assert (result, CLOCK_VERDICTS[verdict]) == (NOW, "future")
        else:
            assert (result, CLOCK_VERDICTS[verdict]) == (expected, "shifted" if shifts else "ok")


@given(sent_at=client_times, occurred=st.lists(client_times, min_size=2, max_size=20))
def test_clock_correction_never_puts_a_batch_in_another_order(
    sent_at: int, occurred: list[int]
) -> None:
    n = len(occurred)
    occurred.sort()

    corrected, _ = correct_times(
        np.array(occurred),
        np.full(n, clock_offset_ms(sent_at, NOW, SKEW)),
        np.full(n, NOW),
        np.full(n, SKEW),
    )

    # Those of the future all become received_at; before that the order is kept.
    past = corrected[corrected != NOW]
    assert list(past) == sorted(past)


ids = st.lists(st.sampled_from("abcdefgh") | st.none(), max_size=6)


@given(
    batches=st.lists(st.tuples(st.sampled_from(["p", "q"]), ids), max_size=30),
    capacity=st.integers(0, 12),
)
def test_recent_ids_know_only_what_was_accepted_and_never_forget_the_latest(
    batches: list[tuple[str, list[str | None]]], capacity: int
) -> None:
    recent = RecentIds(capacity)
    ever: set[tuple[str, str]] = set()
    for app, names in batches:
        found = recent.duplicates(app, names)
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name is None:
                assert index not in found
                continue
            if name in seen:
                assert index in found
            elif index in found:
                assert (app, name) in ever
            seen.add(name)
        recent.remember(app, names)
        ever |= {(app, name) for name in names if name}


def test_recent_ids_hold_at_least_half_of_their_capacity() -> None:
    recent = RecentIds(1_000)
    for n in range(10_000):
        recent.remember("p", [str(n)])

    latest = [str(n) for n in range(9_500, 10_000)]
    assert len(recent.duplicates("p", latest)) == 500
    assert len(recent.duplicates("p", [str(n) for n in range(8_000)])) == 0


keys = st.lists(st.integers(0, 2**64 - 1), max_size=200)


@given(added=st.lists(keys, max_size=5), size_bytes=st.integers(1, 5_000))
@settings(deadline=None)
def test_filter_never_calls_a_known_key_new(added: list[list[int]], size_bytes: int) -> None:
    known = KeyFilter(size_bytes)
    for some in added:
        known.add(np.array(some, dtype=np.uint64))

    for some in added:
        assert known.may_hold(np.array(some, dtype=np.uint64)).all()
    assert 0 <= known.fill_ratio <= 1


def test_filter_calls_few_new_keys_known() -> None:
    """10 bits a key: 1.2 % by theory, also for keys that follow each other."""
    rng = np.random.default_rng(1)
    mixed = rng.integers(0, 2**64, 200_000, dtype=np.uint64)
    known = KeyFilter(2**17 * 2)  # 2^21 bits
    known.add(mixed[:100_000])

    assert known.may_hold(mixed[100_000:]).mean() < 0.01
    assert 0.1 < known.fill_ratio < 0.25


def test_rate_limit_lets_through_what_it_says() -> None:
    limit = RateLimit()
    taken = 0
    for tenth in range(600):  # one minute
        if limit.wait_s("app", 100, tenth / 10) == 0:
            limit.charge("app", 30)
            taken += 30

    assert 100 * 60 <= taken <= 100 * 62 + 30


def test_rate_limit_says_when_to_come_back() -> None:
    limit = RateLimit()
    assert limit.wait_s("app", 100, 0.0) == 0
    limit.charge("app", 1_000)

    wait_s = limit.wait_s("app", 100, 0.0)

    assert wait_s == 8
    assert limit.wait_s("app", 100, 8.1) == 0
    assert limit.wait_s("other", 100, 0.0) == 0


steps = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 300)) | st.tuples(st.integers(0, 9), st.just(0)),
    max_size=60,
)


@given(steps=steps)
def test_arriving_bodies_stay_near_the_limit_and_small_ones_go_on(
    steps: list[tuple[int, int]],
) -> None:
    """Step (who, bytes): more bytes of one body; no bytes: it is whole."""
    arriving = Arriving(1_000)
    growing: dict[int, tuple[object, Body]] = {}
    for who, size in steps:
        if who not in growing:
            context = arriving.body()
            growing[who] = context, context.__enter__()
        context, body = growing[who]
        is_small = (body.bytes + size) * len(growing) <= 1_000
        if size and body.take(size):
            assert arriving.bytes <= 1_000 or is_small
            continue
        assert not size or not is_small, "a small body is never given up"
        context.__exit__(None, None, None)  # type: ignore[attr-defined]
        del growing[who]
    assert arriving.bytes == sum(body.bytes for _, body in growing.values())
    assert arriving.bodies == len(growing)
