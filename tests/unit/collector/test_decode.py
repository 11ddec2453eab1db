"""One fate per event: the fates of a batch are those of its events alone, in the worker and again in the writer."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import decode, rows
from collector.decode import BodyError, decode_batch, is_printable, mark_lone_surrogates
from collector.ingest import refuse_old_events
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from sdk_spec import limits
from sdk_spec.errors import EVENT_ERRORS, REQUEST_ERRORS
from sdk_spec.events import Event

NOW = 1_795_300_912_353
SKEW = limits.MAX_CLOCK_SKEW_MS
GOOD: dict[str, Any] = {"event_id": "e", "event": "tap", "occurred_at": NOW}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "\u200b", "\u2028", "x" * 129, "", " ", "👩‍👩‍👧", "体验"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
field_names = st.sampled_from(Event.__struct_fields__)
times = st.sampled_from(
    [NOW, NOW + 1, 0, -1, NOW // 1000, 2**40, 2**53, 4_102_444_800_001, NOW + 10**9]
)
events = st.one_of(
    st.just(GOOD),
    st.builds(lambda name, value: {**GOOD, name: value}, field_names, anything),
    st.builds(lambda at: {**GOOD, "occurred_at": at}, times),
    st.builds(lambda p: {**GOOD, "properties": p}, anything),
    st.builds(lambda name: {k: v for k, v in GOOD.items() if k != name}, st.sampled_from([*GOOD])),
    anything,
)
raw_events = events.map(lambda event: json.dumps(event, ensure_ascii=False).encode()) | (
    st.sampled_from(
        [
            rb'{"event_id":"e","event":"a\ud83d","occurred_at":1795300912353}',
            b'{"event_id":"\xff","event":"tap","occurred_at":1795300912353}',
            b'{"event_id":"e","event":"tap","occurred_at":1795300912353,"new":"\xe1\x37"}',
            b'{"event_id":"e","event_id":"f","event":"tap","occurred_at":1795300912353}',
            b'{"event_id":"e","event":"tap","occurred_at":1795300912353,"properties":{"a":1e999}}',
        ]
    )
)


def body_of(raw: list[bytes], **envelope: Any) -> bytes:
    head = json.dumps(
        {"app_id": "wx1", "platform": "wechat", "sent_at": NOW, "anonymous_id": "a", **envelope}
    ).encode()
    return head[:-1] + b',"events":[' + b",".join(raw) + b"]}"


def fates(body: bytes) -> list[tuple[str, ...]]:
    """Of each event: its decoded form, or code and path below the event."""
    batch = decode_batch(body)
    refuse_old_events(batch, NOW, SKEW)
    refused = {r.index: r for r in batch.rejections}
    assert len(refused) == len(batch.rejections), "one fate each"
    found: list[tuple[str, ...]] = []
    for index, event in enumerate(batch.events):
        if event is None:
            one = refused.pop(index)
            assert one.code in EVENT_ERRORS
            assert one.path.startswith(f"$.events[{index}]")
            found.append((one.code, one.path.removeprefix(f"$.events[{index}]")))
        else:
            found.append(("accepted", repr(event)))
    assert not refused
    return found


def refusal_of(body: bytes) -> BodyError | None:
    """Why a whole body is refused, or None."""
    try:
        decode_batch(body)
    except BodyError as error:
        return error
    return None


@given(raw=st.lists(raw_events, min_size=1, max_size=6))
@settings(deadline=None, max_examples=500)
def test_fate_of_an_event_does_not_depend_on_its_neighbours(raw: list[bytes]) -> None:
    together = fates(body_of(raw))

    assert together == [fates(body_of([one]))[0] for one in raw]


@given(raw=st.lists(raw_events, min_size=1, max_size=6), sent_at=times | st.none())
@settings(deadline=None, max_examples=300)
def test_writer_stores_what_the_worker_accepted_and_keeps_the_rest(
    raw: list[bytes], sent_at: int | None
) -> None:
    """One row per accepted event and one dead letter per refused one, with its raw text; nothing is ever neither."""
    body = body_of(raw, sent_at=sent_at)
    try:
        batch = decode_batch(body)
    except BodyError:
        return
    refuse_old_events(batch, NOW, SKEW)
    refused = sorted(r.index for r in batch.rejections)

    block = build_block([SpoolRecord(1, NOW, "r", "p", "wx1", SKEW, refused, [], body)])

    accepted = [event for event in batch.events if event is not None]
    assert block.table.num_rows == len(accepted) == len(block.keys)
    assert block.table["event_id"].to_pylist() == [event.event_id for event in accepted]
    assert sorted(one.event_index for one in block.dead_letters) == refused
    for one in block.dead_letters:
        assert one.raw == raw[one.event_index].decode("utf-8", "backslashreplace")
    assert (
        min(block.table["occurred_at"].cast("int64").to_pylist(), default=NOW) >= 1_420_070_400_000
    )
    assert max(block.table["occurred_at"].cast("int64").to_pylist(), default=0) <= NOW + SKEW


def test_texts_of_refused_events_are_looked_up_once_in_a_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full batch with seconds for milliseconds took the writer 13 s when each event decoded the body again."""
    looked_up: list[bytes] = []

    def counted(body: bytes) -> list[bytes]:
        looked_up.append(body)
        return decode.raw_events(body)

    monkeypatch.setattr(rows, "raw_events", counted)
    old = [json.dumps({**GOOD, "event_id": str(n), "occurred_at": n}).encode() for n in range(50)]
    body = body_of(old)

    block = build_block([SpoolRecord(1, NOW, "r", "p", "wx1", SKEW, list(range(50)), [], body)])

    assert [one.raw.encode() for one in block.dead_letters] == old
    assert looked_up == [body]


@given(body=st.binary(max_size=200) | anything.map(lambda v: json.dumps(v).encode()))
@settings(deadline=None, max_examples=500)
def test_any_body_is_a_batch_or_a_named_error(body: bytes) -> None:
    refusal = refusal_of(body)

    if refusal is not None:
        assert refusal.code in REQUEST_ERRORS
        assert refusal.path.startswith("$")


@pytest.mark.parametrize("depth", [200, 5_000, 200_000])
def test_deep_nesting_is_refused_and_nothing_else_happens(depth: int) -> None:
    deep = b'{"event_id":"d","event":"x","occurred_at":1,"properties":' + b"[" * depth
    deep += b"]" * depth + b"}"
    body = body_of([json.dumps(GOOD).encode(), deep])
    refusal = refusal_of(body)

    if refusal is not None:
        assert refusal.code == "not_json"
        assert depth > 900, "what an ordinary parser reads costs no neighbour"
    else:
        found = fates(body)
        assert found[0][0] == "accepted"
        assert found[1][0] != "accepted"


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        (b"\xef\xbb\xbf{}", "$", "byte order mark"),
        ("{}".encode("utf-16"), "$", "byte order mark"),
        (body_of([b"{}"], platform="WeChat" * 1_000), "$.platform", "one of wechat, alipay, "),
        (body_of([b"{}"], device={"model": "a\ud83d"}), "$.device.model", "was an emoji cut?"),
        (body_of([b"{}"]).replace(b'"a"', b'"\xe9"'), "$.anonymous_id", "not JSON in UTF-8"),
    ],
)
def test_refusal_of_a_body_says_what_to_mend(body: bytes, path: str, message: str) -> None:
    refusal = refusal_of(body)

    assert refusal is not None
    assert refusal.path == path
    assert message in refusal.message
    assert len(refusal.message) < 200


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_escaped_pairs_are_no_lone_halves(text: str) -> None:
    assert mark_lone_surrogates(json.dumps({"a": text}).encode()) is None


@pytest.mark.parametrize(
    ("text", "printable"),
    [
        ("a", True),
        ("体验 版", True),
        ("👩‍👩‍👧", True),
        ("  ", False),
        ("a\x00", False),
        ("a\u202e", False),
        ("a\u200b", False),
        ("\u3000", False),
        ("a\n", False),
    ],
)
def test_printable(text: str, printable: bool) -> None:
    assert is_printable(text) is printable
