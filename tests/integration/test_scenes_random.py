"""Random logs: scenes by every `by`, with codes, conversions and costs, equal their definition in reference/scenes.py."""

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from many_logs import HOUR_MS, NOW_MS, RANDOM, USERS, ZONES, Asker, Log, choice, many, store
from query_support import PROJECT
from reference.people import local_day
from reference.scenes import BEHIND, TOTAL, code_status, scenes

from query_api.reports import answer_query
from query_api.scene_rows import names_of
from sdk_spec import scenes as dictionary

BYS = (
    "scene",
    "group",
    "utm.source",
    "utm.campaign",
    "referrer_app_id",
    "page",
    "qr_code",
    "store",
    "city",
    "placement",
)
METRICS = ("users", "new_users", "next_day_eligible", "next_day_returned", "converters", *BEHIND)
QUERIES = [
    "",
    "id=1",
    "scene=A1",
    "?scene=%E5%BA%97%201&x=1",
    "scene=A%252B1",
    "x=1&scene=&q=https%3A%2F%2Fshop.example%2Fa%3Fs%3D1&scancode_time=1",
    "q=https%3A%2F%2Fshop.example%2Fa+b&scene=A1",
    "scene=100%&q=x",
    "scene=%FF%FE",
    "scene=%ED%A0%80",
    "scene=a+b%2Bc",
    "scenes=A1&aq=1",
    "q=%27%22%5C%0A",
    "scene=A1&scene=B2",
]
CODES = ["A1", "店 1", "A%2B1", "https://shop.example/a?s=1", "a+b+c", "'\"\\\n"]
OFFSETS = [0, 1, 60_000, HOUR_MS, 26 * HOUR_MS, 49 * HOUR_MS, -3 * HOUR_MS, -30 * 24 * HOUR_MS]


class ProjectAsker(Asker):
    """Asks with the token of the project."""

    def whole(self, report, body, now_ms=NOW_MS):
        """Return the whole answer."""
        answer = answer_query(
            self._database, report, msgspec.json.encode(body), body["app_ids"], now_ms, PROJECT
        )
        return msgspec.json.decode(msgspec.json.encode(self._runner.run(answer)))


@pytest.fixture
def asker(database_url):
    asking = ProjectAsker(database_url)
    yield asking
    asking.close()


def drawn_events(random: Random):
    """Draw what Log takes, and the channel of each event."""
    names = ["app_launch", "app_show", "app_show", "page_view", "pay", "pay"]
    events = []
    for _ in range(random.randint(2, 24)):
        channel = {
            "platform": random.choice(["wechat", "wechat", "alipay"]),
            "scene": random.choice(["1011", "1001", "77777", ""]),
            "utm_source": random.choice(["", "gzh", "baidu"]),
            "utm_campaign": random.choice(["", "c1"]),
            "referrer_app_id": random.choice(["", "wx_partner"]),
            "page_query": random.choice(QUERIES),
        }
        page, session = random.choice(["", "p1", "p2"]), random.choice(["", "", "s1", "s2"])
        price = random.choice([None, 1, 2.5, "2"])
        given = (
            random.choice(USERS),
            random.choice(names),
            random.choice(OFFSETS) + random.choice([0, 0, 1_800_000, 1_800_001]),
            random.choice([0, 1]),
            page,
            session,
            price,
            random.random() < 0.2,
        )
        events.append((given, channel))
    return events


def drawn_codes(random: Random):
    """Draw a registry: code to places and validity around the log's instant."""
    return {
        code: {
            "store": random.choice(["s1", "s2", ""]),
            "city": random.choice(["上海", "北京"]),
            "placement": random.choice(["门口", "餐桌"]),
            "valid_from": random.choice([None, None, 0, HOUR_MS, 1]),
            "valid_to": random.choice([None, 26 * HOUR_MS, 60_000, 1]),
        }
        for code in CODES
        if random.random() < 0.7
    }


class ChannelLog(Log):
    """A log whose entries carry channels, with codes and costs of its app."""

    def __init__(self, drawn, codes, base_ms):
        super().__init__([given for given, _ in drawn], base_ms)
        channels = {f"e{99 - number}": channel for number, (_, channel) in enumerate(drawn)}
        for row in self.rows:
            row.update(channels[row["event_id"]])
        self.codes = {
            (self.app_id, code): {
                **known,
                **{
                    name: None if known[name] is None else base_ms + known[name]
                    for name in ("valid_from", "valid_to")
                },
            }
            for code, known in codes.items()
        }


def store_codes(database, logs):
    """Store registries, each code twice: the newer version counts; and one that was deleted."""
    columns = ["project", "app_id", "code_id", "store", "city", "placement"]
    columns += ["valid_from", "valid_to", "version", "is_deleted"]
    rows = []
    for log in logs:
        for (app_id, code), known in log.codes.items():
            valid = [
                None if known[name] is None else datetime.fromtimestamp(known[name] / 1000, UTC)
                for name in ("valid_from", "valid_to")
            ]
            places = [known[name] for name in ("store", "city", "placement")]
            rows.append([PROJECT, app_id, code, "old", "old", "old", None, None, 1, 0])
            rows.append([PROJECT, app_id, code, *places, *valid, 2, 0])
        for code in CODES:
            theirs = ["a stranger", log.app_id, code, "x", "x", "x", None, None, 9, 0]
            rows.append(theirs)
        rows.append([PROJECT, log.app_id, "100%", "gone", "gone", "gone", None, None, 2, 1])
    database.insert("qr_codes", rows, column_names=columns)


def key_of(by, breakdown, log):
    """The key of a row by its definition."""
    groups = {}
    known = dictionary.dictionary()
    [standard] = [one for one in known.schemes if one.scheme == "standard"]
    for scene in known.scenes:
        groups[scene.platform, scene.scene] = standard.group_of(scene)

    def of(row):
        code, status = code_status(row, log.codes)
        place = log.codes.get((row["app_id"], code), {}) if status == "registered" else {}
        broken_down = {
            "city": place.get("city") or None,
            "platform": row["platform"],
            "qr_status": status,
        }
        named = {
            "scene": (row["platform"], row["scene"]),
            "group": (
                groups.get((row["platform"], row["scene"]), "unknown" if row["scene"] else ""),
            ),
            "qr_code": (row["app_id"], code or None, status),
            **{name: (place.get(name) or None, status) for name in ("store", "city", "placement")},
        }.get(by) or (row.get(by.replace(".", "_")) or None,)
        return (*named, *(broken_down[name] for name in breakdown))

    return of


CASES = many(
    drawn_events,
    drawn_codes,
    choice(BYS),
    choice(sorted(ZONES)),
    choice(["latest", "strict"]),
    choice([0, 1, 2]),
    choice([False, True]),
    choice([[], [], ["city"], ["platform", "qr_status"]]),
    choice(["pay", "pay", "app_show"]),
)


@given(cases=CASES)
@RANDOM
def test_every_row_equals_its_definition(database, asker, cases):
    logs = [ChannelLog(case[0], case[1], ZONES[case[3]]) for case in cases]
    store(database, logs)
    store_codes(database, logs)
    for log, case in zip(logs, cases, strict=True):
        check(asker, log, case)


def check(asker, log, case):
    _, _, by, zone_name, identity_mode, days, is_filtered, breakdown, converts = case
    zone = ZoneInfo(zone_name)
    base_ms = ZONES[zone_name]
    first = local_day(base_ms, zone)
    last = first + timedelta(days=days)
    body = {
        "app_ids": [log.app_id],
        "time_range": {"from": str(first), "to": str(last)},
        "timezone": zone_name,
        "identity": identity_mode,
        "by": by,
        "breakdown": breakdown,
        "conversion": {"event": converts},
        "value": "properties.sku",
    }
    if is_filtered:
        body["filter"] = {"field": "platform", "op": "eq", "values": ["wechat"]}
    # Two days after the range have not all ended.
    now_ms = base_ms + (days + 2) * 24 * HOUR_MS
    whole = asker.whole("scenes", body, now_ms)
    result, resolved = whole["result"], whole["semantics"]["time_range"]
    from_ms, to_ms = (
        round(datetime.fromisoformat(resolved[end]).timestamp() * 1000) for end in ("from", "to")
    )
    reference = partial(
        scenes,
        log.rows,
        log.identity,
        from_ms=from_ms,
        to_ms=to_ms,
        zone=zone,
        now_ms=now_ms,
        identity_mode=identity_mode,
        matches=lambda row: not is_filtered or row["platform"] == "wechat",
        converts=lambda row: row["event"] == converts,
        value=lambda row: row["properties_number"].get("sku", 0),
    )
    key = key_of(by, breakdown, log)
    expected = reference(key_of=key)
    names = names_of(by)
    rows = {
        (*(row[name] for name in names), *row.get("breakdown", {}).values()): row
        for row in result["rows"]
    }
    assert len(rows) == len(result["rows"])
    total = expected.pop(TOTAL)
    shown = {key: numbers.shown() for key, numbers in expected.items()}
    assert {key: {name: row[name] for name in shown[key]} for key, row in rows.items()} == {
        key: pytest.approx(numbers) for key, numbers in shown.items()
    }
    assert {name: result["total"][name] for name in total.shown()} == pytest.approx(total.shown())
    # Each entry, new user, session and conversion is in exactly one row.
    for name in ("launches", "entries", "new_users", "sessions", "conversions"):
        assert sum(row[name] for row in rows.values()) == result["total"][name]
    random = Random(log.app_id)  # noqa: S311 (a test)
    if len(rows) > 1 and random.random() < 0.5:
        check_other(asker, body, now_ms, (random, list(rows), key, reference))
    listed = random.choice([TOTAL, *expected])
    numbers = total if listed == TOTAL else expected[listed]
    for metric in random.sample(METRICS, 3):
        cell = {"metric": metric}
        if listed != TOTAL:
            cell["row"] = dict(zip(names, listed, strict=False))
            cell["breakdown"] = dict(zip(breakdown, listed[len(names) :], strict=True))
        result_of_cell = asker("scenes/users", {**body, "cell": cell}, now_ms)
        users = {int(row["user"]) for row in result_of_cell["users"]}
        assert users == numbers.users_of(metric)
        assert result_of_cell["total"] == len(users)


def check_other(asker, body, now_ms, drawn):
    """With a limit, what is not shown is one channel: its numbers are those of a log with one channel for all of it."""
    random, keys, key, reference = drawn
    limit = random.randrange(1, len(keys))
    shown, other = set(keys[:limit]), ("the others",)
    expected = reference(key_of=lambda row: key(row) if key(row) in shown else other)
    result = asker("scenes", {**body, "limit": limit}, now_ms)
    assert [row["other"] for row in result["rows"]] == [False] * limit + [True]
    numbers = expected[other].shown()
    assert {name: result["rows"][-1][name] for name in numbers} == pytest.approx(numbers)
    metric = random.choice(METRICS)
    cell = {"metric": metric, "other": True, "limit": limit}
    page = asker("scenes/users", {**body, "cell": cell}, now_ms)
    assert {int(row["user"]) for row in page["users"]} == expected[other].users_of(metric)
