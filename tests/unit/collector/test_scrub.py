"""What a deny-list takes out of bodies, and what it leaves alone."""

import json

import pytest

from collector.decode import BodyError, decode_batch
from collector.scrub import FLAG, FORGED, Scrubber, scrubber, wrong_rule
from sdk_spec import cards, id_hashing
from sdk_spec.access import App

T = 1_790_000_000_000
ALL = ("phone", "id_card", "bank_card", "email", "name:home_*")
ID_CARD = "11010519491231002X"
CARD = "6222021234567894"


def body(properties, *, encode=json.dumps, **fields):
    event = {"event_id": "e1", "event": "x", "occurred_at": T, "properties": properties} | fields
    batch = {"app_id": "wx1", "platform": "wechat", "openid": "o1", "events": [event]}
    return encode(batch, ensure_ascii=False).encode()


def left(deny, properties, **fields):
    scrubbed = Scrubber("wx1", deny, None)(body(properties, **fields))
    return json.loads(scrubbed)["events"][0]


@pytest.mark.parametrize(
    "properties",
    [
        {"a": "13800138000"},
        {"a": 13800138000},
        {"a": "call +86 138-0013-8000 now"},
        {"a": ["x", "我的手机13800138000"]},
        {"13800138000": True},
        {"Phone_Number": "secret"},
        {"用户手机号": "secret"},
        {"a": ID_CARD},
        {"a": ID_CARD.lower()},
        {"身份证号": 1},
        {"a": CARD},
        {"a": "someone@example.com"},
        {"HOME_address": "here"},
        {"a": {"deep": "13800138000"}},
        {"a": [["13800138000"]]},
        {"a": "１３８００１３８０００"},
        {"a": "https://x.cn/?scene=tel%3D13800138000"},
        {"a": "tel=%2B8613800138000&x=1"},
        {"a": "%E6%89%8B%E6%9C%BA13800138000"},
        {"a": f"证件.{ID_CARD}"},
        {"a": f"id%3D{ID_CARD}"},
        {"a": "mail=someone%40example.com"},
    ],
    ids=str,
)
def test_denied_properties_are_left_out_and_named(properties):
    found = left(ALL, {**properties, "kept": 1})["properties"]

    assert found.pop("kept") == 1
    [name] = found.pop(FLAG)
    assert name in (*properties, "***")
    assert found == {}
    assert "13800138000" not in json.dumps(found)


@pytest.mark.parametrize(
    "properties",
    [
        {"order": "1380013800012"},
        {"at": 1795300912353},
        {"a": "110105194912310021"},
        {"a": "6222021234567890"},
        {"price": 13800138000.5},
        {"a": "x13800138000"},
        {"a": "１２３４５ and 100%40"},
        {"telegram": "t", "homepage": "h"},
    ],
    ids=str,
)
def test_what_only_looks_alike_stays(properties):
    raw = body(properties)

    assert Scrubber("wx1", ALL, None)(raw) is raw


@pytest.mark.parametrize("run", ["a", "a.", "+", "a@", "@", "a@b"])
def test_a_long_text_costs_its_length(run):
    """With its square this would not end: somebody's base64, or an attack that stops a worker for everybody."""
    text = "1234" + run * (1_000_000 // len(run))

    assert left(ALL, {}, page_query=text)["page_query"] == text


def test_emails_that_hang_together_are_masked_together():
    event = left(("email",), {}, page_query="to=a@b.cn+c@d.cn;e%40f.cn&x=i@j")

    assert event["page_query"] == "to=***;***&x=i@j"


@pytest.mark.parametrize("name", ["ab" * 500_000, "a" * 1_000_000, "b" * 1_000_000])
def test_a_long_name_costs_its_length_whatever_the_pattern(name):
    """With its cube this would not end: one request would stop a worker for everybody."""
    assert left(("name:*a*b*c",), {name: 1})["properties"] == {name: 1}


@pytest.mark.parametrize(
    ("pattern", "denied", "kept"),
    [
        ("home*", ["home", "Home_no", "home\nno"], ["at_home", "hom"]),
        ("*id*card*", ["id_card", "MyIDandCARDs", "ididcard"], ["card_id", "idcar"]),
        ("a*a", ["aa", "aba", "aaa"], ["a", "ab", "ba"]),
        ("*ab", ["ab", "abab", "aab"], ["aba", "b"]),
        ("a**b.c", ["ab.c", "axb.c"], ["abxc"]),
        ("x", ["x", "X"], ["xx"]),
    ],
)
def test_a_pattern_denies_names(pattern, denied, kept):
    event = left((f"name:{pattern}",), dict.fromkeys(denied + kept, 1))

    assert event["properties"] == {**dict.fromkeys(kept, 1), "$denied": denied}


def test_long_names_are_not_remembered():
    scrub = Scrubber("wx1", ("phone",), None)
    for name in ("phone", "x" * 128, "x" * 129 + "phone"):
        scrub(body({name: 1}))

    assert scrub._rule_of_short_name.cache_info().currsize == 2


def nested(depth):
    deep = b"[" * depth + b'"13800138000"' + b"]" * depth
    return body({}).replace(b'"properties"', b'"new": %s, "properties"' % deep)


def test_what_is_nested_is_looked_through():
    assert b"13800138000" not in Scrubber("wx1", ("phone",), None)(nested(100))


def test_what_is_nested_too_deeply_to_be_looked_through_is_refused():
    with pytest.raises(BodyError, match="nested too deeply") as refused:
        Scrubber("wx1", ("phone",), None)(nested(900))

    assert (refused.value.code, refused.value.path) == ("not_json", "$")


def test_escapes_hide_nothing_and_other_texts_are_masked():
    raw = (
        json.dumps(
            {
                "app_id": "wx1",
                "platform": "wechat",
                "openid": "13800138000",
                "events": [
                    {
                        "event_id": "13800138001",
                        "event": "x",
                        "occurred_at": T,
                        "page_query": "tel=13800138000&x=1",
                        "utm": {"term": "13800138000"},
                        "properties": {"ph\u006fne": 1, "手机": "1"},
                    }
                ],
            }
        )
        .encode()
        .replace(b"phone", b"ph\\u006fne")
    )
    batch = json.loads(Scrubber("wx1", ("phone",), None)(raw))
    [event] = batch["events"]

    assert event["page_query"] == "tel=***&x=1"
    assert event["utm"] == {"term": "***"}
    assert event["properties"] == {FLAG: ["phone", "手机"]}
    assert (batch["openid"], event["event_id"]) == ("13800138000", "13800138001")


def test_an_event_that_is_no_json_is_masked_and_its_neighbours_are_stored():
    raw = (
        b'{"app_id":"wx1","platform":"wechat","openid":"o1","events":['
        b'{"event_id":"e1","event":"x","occurred_at":1790000000000,"properties":{"phone":1,"a":2}},'
        b'{"event_id":"e2","event":"\\ud800 13800138000","occurred_at":1790000000000}]}'
    )
    scrubbed = Scrubber("wx1", ("phone",), b"key")(raw)
    batch = decode_batch(scrubbed)

    assert b"13800138000" not in scrubbed
    assert b'"o1"' not in scrubbed
    assert [event is None for event in batch.events] == [False, True]
    assert batch.events[0].properties == {"a": 2, FLAG: ["phone"]}


def test_openids_become_the_same_hash_everywhere(tmp_path):
    assert id_hashing.key_of(tmp_path) is None
    key = id_hashing.key_of(tmp_path, make=True)
    assert id_hashing.key_of(tmp_path, make=True) == key
    scrub = Scrubber("wx1", (), key)
    first = json.loads(scrub(body({}, openid="o2")))
    hashed = id_hashing.hashed(key, "wx1", "o1")

    assert first["openid"] == hashed != id_hashing.hashed(key, "wx2", "o1")
    assert first["events"][0]["openid"] == id_hashing.hashed(key, "wx1", "o2")
    assert id_hashing.is_hashed(hashed)
    # A refused event that is sent again carries the hash already; a placeholder stays one.
    assert id_hashing.hashed(key, "wx1", hashed) == hashed
    assert json.loads(scrub(body({}, openid="null")))["events"][0]["openid"] == "null"


def test_nothing_of_a_body_that_is_no_batch_is_touched():
    for raw in (b"[1]", b"{", b"\xff", b'{"events":1}'):
        assert Scrubber("wx1", ("phone",), None)(raw) == raw


def test_rules_are_known_names_or_patterns():
    assert [wrong_rule(rule) for rule in ("phone", "name:x*", "name:", "phones")] == [
        False,
        False,
        True,
        True,
    ]


def test_a_forged_card_is_moved_out_of_the_way(tmp_path):
    app = App("wx1", "p", signed_cards="optional")
    key = id_hashing.key_of(tmp_path, make=True)
    real = cards.signed(cards.card_key(key, "wx1"), "card-1")
    other = cards.signed(cards.card_key(key, "wx2"), "card-1")

    def opened(share_id, app=app, **fields):
        raw = body({"a": 1}, share_id=share_id, **fields)
        return json.loads(scrubber(app, key)(raw))["events"][0]

    assert opened(real)["share_id"] == real
    assert opened("plain")["share_id"] == "plain"
    forged = opened(other)
    assert "share_id" not in forged
    assert forged["properties"] == {"a": 1, FORGED: other}
    required = App("wx1", "p", signed_cards="required")
    assert opened("plain", required)["properties"][FORGED] == "plain"
    made = json.loads(scrubber(required, key)(body({"share_id": "plain"}, event="share")))
    assert made["events"][0]["properties"] == {FORGED: "plain"}
