"""Ids, bindings and persons, compared with a slow replay of the events."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.identity import STRENGTH, Id, Seen, ids_of, meaning

from collector.identity import Ids, id_key
from collector.rows import build_block
from collector.spool_format import SpoolRecord
from sdk_spec.persons import Binding, crowds, resolve

PROJECT = "brand"
P1, P2 = (f"ph_{digit * 32}" for digit in "12")
# Few of each, so that they meet: two apps, three persons who share devices.
events = st.lists(
    st.builds(
        Seen,
        app_id=st.sampled_from(["wx1", "ali2"]),
        occurred_at=st.integers(1_790_000_000_000, 1_790_000_000_009),
        seq=st.integers(0, 2),
        event_id=st.just(""),
        user_id=st.sampled_from(["", "u1", "u2"]),
        unionid=st.sampled_from(["", "", "n1", "n2"]),
        openid=st.sampled_from(["", "o1", "o2", "o3"]),
        anonymous_id=st.sampled_from(["", "a1", "a2", "a3"]),
        phone_hash=st.sampled_from(["", "", P1, P2]),
    ),
    max_size=14,
).map(lambda seen: [event._replace(event_id=f"e{n:03}") for n, event in enumerate(seen)])


def bindings_of(event: Seen) -> list[Binding]:
    """What the collector takes from one event."""
    ids = Ids.of(PROJECT, event.app_id, event)
    return [
        Binding(
            **{
                **{name: getattr(one, name) for name in one.__struct_fields__},
                "occurred_at": event.occurred_at,
                "seq": event.seq,
                "event_id": event.event_id,
            }
        )
        for one in ids.bindings
    ]


def earliest(bindings: list[Binding]) -> list[Binding]:
    """Each pair with its earliest event, as ClickHouse gives them."""
    found: dict[tuple[int, int], Binding] = {}
    for one in bindings:
        pair = (one.id_key, one.other_key)
        if pair not in found or one.order < found[pair].order:
            found[pair] = one
    return list(found.values())


def key(one: Id) -> int:
    kind, scope, text = one
    return id_key(PROJECT, kind, scope, text)


@given(seen=events, seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=400)
def test_persons_are_those_of_the_replay_whatever_arrives_first(
    seen: list[Seen], seed: int
) -> None:
    expected = meaning(seen)
    bindings = earliest([one for event in seen for one in bindings_of(event)])
    random.Random(seed).shuffle(bindings)  # noqa: S311

    assignments, conflicts = resolve(bindings)

    bound = {one for event in seen if len(ids_of(event)) > 1 for one in ids_of(event)}
    assert {a.id_key: a.person for a in assignments} == {
        key(one): key(expected.person[one]) for one in bound
    }
    assert {a.id_key: list(a.history) for a in assignments if a.history} == {
        key(one): [(at, key(name)) for at, name in changes]
        for one, changes in expected.history.items()
    }
    assert {(c.binding.id_key, c.binding.other_key) for c in conflicts} == {
        (key(strong), key(weak)) for strong, weak in expected.conflicts
    }


def seen(at: int, app: str = "wx1", **ids: str) -> Seen:
    absent = dict.fromkeys(STRENGTH, "")
    return Seen(app_id=app, occurred_at=at, seq=0, event_id=f"e{at}{app}{ids}", **{**absent, **ids})


def resolved(*events: Seen) -> tuple[dict[int, int], list[str]]:
    assignments, conflicts = resolve(earliest([b for e in events for b in bindings_of(e)]))
    return {a.id_key: a.person for a in assignments}, [c.reason for c in conflicts]


def test_device_of_two_users_stays_with_the_first() -> None:
    first = seen(1, user_id="u1", anonymous_id="a1")
    second = seen(2, user_id="u2", anonymous_id="a1")

    persons, conflicts = resolved(second, first)

    assert persons[key(("anonymous_id", "wx1", "a1"))] == key(("user_id", "", "u1"))
    assert persons[key(("user_id", "", "u2"))] == key(("user_id", "", "u2"))
    assert conflicts == ["user_id"]


def test_conflict_tells_the_strongest_kind_that_both_have() -> None:
    devices = [
        seen(at + n, **{kind: f"{kind}{n}"}, anonymous_id=f"a{n}")
        for n in (1, 2)
        for at, kind in ((0, "unionid"), (10, "user_id"))
    ]

    _, conflicts = resolved(*devices, seen(20, unionid="unionid1", anonymous_id="a2"))

    assert conflicts == ["user_id"]


def test_late_event_moves_a_device_to_whom_it_first_belonged() -> None:
    known = seen(5, user_id="u2", anonymous_id="a1")
    late = seen(1, user_id="u1", anonymous_id="a1")
    assert resolved(known)[0][key(("anonymous_id", "wx1", "a1"))] == key(("user_id", "", "u2"))

    persons, _ = resolved(known, late)

    assert persons[key(("anonymous_id", "wx1", "a1"))] == key(("user_id", "", "u1"))


def test_openids_of_two_apps_become_one_person_through_a_unionid() -> None:
    persons, conflicts = resolved(
        seen(1, "wx1", openid="o", unionid="n"), seen(2, "ali2", openid="o", unionid="n")
    )

    assert len(set(persons.values())) == 1
    assert len(persons) == 3
    assert conflicts == []


@pytest.mark.parametrize("placeholder", ["null", "undefined", "0", "None", " unknown ", "NaN", "-"])
def test_placeholders_bind_nobody(placeholder: str) -> None:
    ids = Ids.of(PROJECT, "wx1", seen(1, user_id=placeholder, openid="o1", anonymous_id="a1"))

    assert [(b.kind, b.other_kind) for b in ids.bindings] == [("openid", "anonymous_id")]
    assert ids.actor == key(("openid", "wx1", "o1"))


def test_placeholder_alone_is_still_an_actor() -> None:
    assert Ids.of(PROJECT, "wx1", seen(1, user_id="null")).actor == key(("user_id", "", "null"))


def test_ids_of_projects_and_apps_are_different() -> None:
    assert id_key("p1", "user_id", "wx1", "x") == id_key("p1", "user_id", "wx2", "x")
    assert id_key("p1", "openid", "wx1", "x") != id_key("p1", "openid", "wx2", "x")
    assert id_key("p1", "user_id", "", "x") != id_key("p2", "user_id", "", "x")
    assert id_key("p1", "user_id", "", "x") != id_key("p1", "unionid", "", "x")


def test_uses_of_placeholders_are_counted() -> None:
    body = (
        b'{"app_id":"wx1","platform":"wechat","openid":"null","events":['
        b'{"event_id":"e1","event":"x","occurred_at":1790000000000},'
        b'{"event_id":"e2","event":"x","occurred_at":1790000000000,"user_id":"0","openid":"o1"}]}'
    )
    block = build_block([SpoolRecord(1, 1_790_000_000_000, "r", "p", "wx1", 300_000, [], [], body)])

    assert block.placeholders == 2
    assert block.bindings(None) == []


def test_shared_phone_stays_with_the_first_and_never_joins_two_users() -> None:
    persons, conflicts = resolved(
        seen(1, user_id="u1", phone_hash=P1), seen(2, "ali2", user_id="u2", phone_hash=P1)
    )

    assert persons[key(("phone_hash", "", P1))] == key(("user_id", "", "u1"))
    assert persons[key(("user_id", "", "u2"))] == key(("user_id", "", "u2"))
    assert conflicts == ["user_id"]


def test_shared_phone_never_joins_two_unionids() -> None:
    persons, conflicts = resolved(
        seen(1, openid="o1", unionid="n1", phone_hash=P1),
        seen(2, "ali2", openid="o2", unionid="n2", phone_hash=P1),
    )

    assert persons[key(("openid", "wx1", "o1"))] == key(("unionid", "", "n1"))
    assert persons[key(("openid", "ali2", "o2"))] == key(("unionid", "", "n2"))
    assert set(conflicts) == {"unionid"}


def test_accounts_of_two_platforms_become_one_person_through_a_phone() -> None:
    persons, conflicts = resolved(
        seen(1, "wx1", openid="o", phone_hash=P1), seen(2, "ali2", openid="o", phone_hash=P1)
    )

    assert set(persons.values()) == {key(("openid", "wx1", "o"))}, "named by the one known first"
    assert conflicts == []


def test_login_outweighs_a_phone_that_came_before() -> None:
    """A device that a phone had joined to u1 belongs to u2 once u2 logs in on it."""
    phones = [
        seen(1, user_id="u1", phone_hash=P1),
        seen(2, anonymous_id="a2", phone_hash=P1),
    ]
    assert resolved(*phones)[0][key(("anonymous_id", "wx1", "a2"))] == key(("user_id", "", "u1"))

    persons, conflicts = resolved(*phones, seen(3, user_id="u2", anonymous_id="a2"))

    assert persons[key(("anonymous_id", "wx1", "a2"))] == key(("user_id", "", "u2"))
    assert persons[key(("phone_hash", "", P1))] == key(("user_id", "", "u1"))
    assert conflicts == ["user_id"]


def test_person_may_change_phones() -> None:
    persons, conflicts = resolved(
        seen(1, user_id="u1", phone_hash=P1), seen(2, user_id="u1", phone_hash=P2)
    )

    assert set(persons.values()) == {key(("user_id", "", "u1"))}
    assert conflicts == []


def test_phone_of_many_users_and_user_of_many_phones_are_crowds() -> None:
    hotline = [seen(n, user_id=f"u{n}", phone_hash=P1) for n in range(21)]
    cashier = [seen(n, user_id="till", phone_hash=f"ph_{n:032x}") for n in range(21)]
    family = [seen(n, user_id=f"f{n}", phone_hash=P2) for n in range(20)]

    found = crowds(b for e in (*hotline, *cashier, *family) for b in bindings_of(e))

    assert {(one.kind, one.id, one.crowded_kind) for one in found} == {
        ("phone_hash", P1, "user_id"),
        ("user_id", "till", "phone_hash"),
    }


def test_phone_only_binds() -> None:
    ids = Ids.of(PROJECT, "wx1", seen(1, anonymous_id="null", phone_hash=P1))

    assert ids.actor == key(("anonymous_id", "wx1", "null"))
    assert ids.bindings == ()
    assert id_key("p1", "phone_hash", "wx1", P1) == id_key("p1", "phone_hash", "wx2", P1)
    assert id_key("p1", "phone_hash", "", P1) != id_key("p2", "phone_hash", "", P1)
