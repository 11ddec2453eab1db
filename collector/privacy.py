"""
Everything of one person: erased for good, or handed out (PIPL, GDPR). Called by ``commands`` with the writer's rights.

A person is all ids that make it one (``identity_map``). Erasing, in this order, so that nothing comes back:

1. Nothing waits in the spool; else refused, with what to do.
2. Tombstones: the writer stores no event of these ids that happened until now, and follows no such binding.
3. What the collector accepted before the tombstones is stored; ids that it joined get tombstones as well. Then rows are
   removed from every table, by mutations that rewrite the parts, and counted again until there are none.
4. A receipt without ids stays. ``event_ids`` keeps its keys, so that a batch sent again is still recognised.

Rows of other persons that carry one of the ids (a shared device) stay theirs; the id is taken out of them.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from collector.cluster import COPIES, LOCAL
from collector.identity import id_key
from collector.migrate import tables_to_all_nodes
from collector.nodes import tables
from collector.spool_waiting import CheckpointError, segment_ends, waiting_bytes
from collector.sql import load_sql
from sdk_spec import id_hashing
from sdk_spec.access import App
from sdk_spec.ids import KINDS, KINDS_OF_AN_APP

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SPOOL_WAIT_S = 60.0
_SPOOL_LOOK_S = 0.2
"""The writer is another process: what it stored is seen in its checkpoint, which nobody can wait for."""
_EVER_MS = 2**42
FOLLOW_S = 2.5
"""The writer looks for tombstones once a second, before it stores a block."""
MAX_ROUNDS = 3
_LETTERS_AT_ONCE = 1_000
_NUMBER = re.compile(r"-?(0|[1-9]\d*)", re.A)
_SETTINGS = {"mutations_sync": 2, "max_execution_time": 0, "max_partitions_per_insert_block": 0}
_IN_FOREGROUND = {"distributed_foreground_insert": 1}
TABLES = (
    "events",
    "dead_letters",
    "identity_bindings",
    "identity_map",
    "identity_conflicts",
    "identity_unbindings",
    "identity_quarantine",
    "segment_users",
    "messages",
)
"""All tables with rows about a person; each has ``privacy.where_<table>.sql``."""


class PrivacyError(Exception):
    """Cannot be done now; the message says why and what to do. ``code``: as the API answers it."""

    def __init__(self, message: str, code: str = "storage_unavailable") -> None:
        super().__init__(message)
        self.code = code


class Person(Struct, frozen=True):
    """
    All ids of a person: their keys, and (kind, app_id, id) of those whose text is known.

    ``person`` is 0 for one who stands in refused events only. ``asked``: keys of the id by which it was found.
    """

    project: str
    person: int
    keys: list[int]
    ids: list[tuple[str, str, str]]
    asked: list[int] = []

    def values(self) -> dict[str, Any]:
        """The parameters of ``privacy.where_<table>.sql``."""
        return {
            "project": self.project,
            "keys": self.keys,
            "ids_in_json": sorted(
                {text for _, _, value in self.ids for text in _quoted(value)}
                | self.fields_in_json()
            ),
        }

    def fields_in_json(self) -> set[str]:
        """The ids with their names as a refused event may hold them; one sent as a number was refused for that."""
        return {
            f'"{kind}"{colon}{text}'
            for kind, _, value in self.ids
            for colon in (":", ": ")
            for text in (*_quoted(value), *_as_number(value))
        }


def _quoted(value: str) -> tuple[str, ...]:
    return json.dumps(value), json.dumps(value, ensure_ascii=False)


def _as_number(value: str) -> tuple[str, ...]:
    return (f"{value},", f"{value}}}") if _NUMBER.fullmatch(value) else ()


class Receipt(Struct, frozen=True):
    """What was done. ``rows``: by table; ``left``: rows found afterwards, all 0."""

    receipt_id: str
    action: str
    project: str
    asked: str
    done_at_ms: int
    ids: list[dict[str, str]]
    rows: dict[str, int]
    ids_taken_out_of_events_of_others: int
    left: dict[str, int]
    spool: str
    stays: str
    files: str = ""


StoredAs = Callable[[str, str], str]
"""(app_id, openid) → what is stored of it."""


def stored_as(apps: Iterable[App], data_dir: Path) -> StoredAs:
    """Return what apps store of openids: a keyed hash where they ask for it and the key is in the data folder."""
    hashing = {app.app_id for app in apps if app.hash_openids}
    key = id_hashing.key_of(data_dir) if hashing else None
    return lambda app_id, openid: (
        id_hashing.hashed(key, app_id, openid) if key and app_id in hashing else openid
    )


def find(
    client: Client, project: str, asked: str, app_ids: list[str], stored_as: StoredAs | None = None
) -> Person:
    """
    Return the person of ``kind:value``. Errors: PrivacyError when nobody or several persons have it.

    An openid or anonymous_id is looked for in each app of the project; ``kind@app_id:value`` means one app. ``stored_as``
    gives what an app keeps of an openid.
    """
    kind, colon, value = asked.partition(":")
    kind, _, app_id = kind.partition("@")
    if not colon or kind not in KINDS or not value:
        raise PrivacyError(
            f"give the id as kind:value, such as openid:o123; kinds: {', '.join(KINDS)} / 请写成 kind:value",
            "invalid_request",
        )
    apps = ([app_id] if app_id else app_ids) if kind in KINDS_OF_AN_APP else [""]
    by_key = {}
    for each in apps:
        stored = stored_as(each, value) if stored_as and kind == "openid" else value
        by_key[id_key(project, kind, each, stored)] = (kind, each, stored)
    persons = _persons(client, project, list(by_key))
    if not persons:
        refused = Person(project, 0, sorted(by_key), sorted(by_key.values()), sorted(by_key))
        if _is_in_dead_letters(client, refused):
            return refused
        raise PrivacyError(
            "nobody with this id is stored in this project / 未找到该标识对应的用户", "not_found"
        )
    if len(persons) > 1:
        raise PrivacyError(
            f"several persons have this id, one in each app; give kind@app_id:value, apps: {', '.join(apps)} "
            "/ 多个应用中都有该标识，请用 kind@app_id:value 指定应用",
            "invalid_request",
        )
    [person] = persons
    return _whole(client, project, person, by_key)


def _persons(client: Client, project: str, keys: list[int]) -> set[int]:
    rows = client.query(
        load_sql("privacy.persons"), parameters={"keys": keys, "project": project}
    ).result_rows
    return {int(row[0]) for row in rows}


def _whole(
    client: Client, project: str, person: int, asked: dict[int, tuple[str, str, str]]
) -> Person:
    """Return a person with all its ids; ``asked``: ids of which one is its, by key."""
    members = client.query(load_sql("privacy.members"), parameters={"person": person}).result_rows
    keys = {person, *(int(row[0]) for row in members)}
    ids = {(str(row[1]), str(row[2]), str(row[3])) for row in members if row[1]}
    its = keys & asked.keys()
    ids |= {asked[key] for key in its}
    return Person(project, person, sorted(keys), sorted(ids), sorted(its))


def _as_now(client: Client, person: Person) -> Person:
    """Return the person with all ids that are its now: events that waited in the spool may have joined more."""
    persons = _persons(client, person.project, person.asked)
    if len(persons) != 1:
        return person
    by_key = {id_key(person.project, *one): one for one in person.ids}
    asked = {key: by_key[key] for key in person.asked}
    now = _whole(client, person.project, persons.pop(), asked)
    if person.person:
        return now
    # Its refused events may name it in another app.
    keys, ids = {*now.keys, *person.keys}, {*now.ids, *person.ids}
    return msgspec.structs.replace(now, keys=sorted(keys), ids=sorted(ids))


def _is_in_dead_letters(client: Client, person: Person) -> bool:
    """True for one who stands in a refused event, by the name of the field and not only by a text like the id."""
    values = {**person.values(), "ids_in_json": sorted(person.fields_in_json())}
    where = load_sql("privacy.where_dead_letters")
    found = client.query(
        f"SELECT 1 FROM dead_letters WHERE {where} LIMIT 1",  # noqa: S608 (our file)
        parameters={**values, "until_ms": _EVER_MS},
    )
    return bool(found.result_rows)


def erase(
    client: Client,
    spool_dir: Path,
    person: Person,
    asked: str,
    wait_s: float | None = None,
    nodes: Sequence[Client] = (),
) -> Receipt:
    """
    Remove a person. Repeating it is safe, also after it broke off.

    ``nodes``: of a cluster, a client for each; rows are removed on every one.
    Errors: PrivacyError when events wait in the spool and nobody stores them, or a node is not among ``nodes``.
    """
    wait_s = SPOOL_WAIT_S if wait_s is None else wait_s
    _wait_for_spool(spool_dir, wait_s)
    held = places(client, nodes)
    receipt_id = uuid.uuid4().hex
    now_ms = time.time_ns() // 1_000_000
    until_ms = now_ms
    buried: set[int] = set()
    while not buried.issuperset((person := _as_now(client, person)).keys):
        buried.update(person.keys)
        client.command(
            _to_all_nodes(client, "bury"),
            settings=_IN_FOREGROUND,
            parameters={"keys": person.keys, "erased_ms": until_ms, "receipt_id": receipt_id},
        )
        time.sleep(FOLLOW_S)
        _wait_for_spool(spool_dir, wait_s)
    rows = dict.fromkeys(TABLES, 0)
    taken_out = 0
    left: dict[str, int] = {}
    for _ in range(MAX_ROUNDS):
        found = _count(held, person, until_ms)
        for table, number in found.items():
            rows[table] = max(rows[table], number)
            if number:
                _command(held, f"delete_{table}", person, until_ms)
        others = _others(client, person, until_ms)
        taken_out = max(taken_out, others)
        if others:
            _command(held, "take_out", person, until_ms)
        left = _count(held, person, until_ms)
        left["events_of_others"] = _others(client, person, until_ms)
        if not any(left.values()):
            break
    else:
        raise PrivacyError(
            f"rows still come in for this person: {left}; is another collector storing old events? Repeat the command "
            "/ 仍有该用户的数据写入，请稍后重试"
        )
    receipt = Receipt(
        receipt_id=receipt_id,
        action="erase",
        project=person.project,
        asked=asked,
        done_at_ms=now_ms,
        ids=_named(person),
        rows=rows,
        ids_taken_out_of_events_of_others=taken_out,
        left=left,
        spool="drained before; files of stored events are deleted within a minute",
        stays="keys of events (event_ids) and of ids (erased_ids), 64-bit hashes, so that nothing comes back",
        files="ClickHouse deletes the files of rewritten parts within about 10 minutes, or when it starts",
    )
    _keep(client, receipt)
    return receipt


def export(client: Client, person: Person, asked: str) -> Iterator[dict[str, Any]]:
    """
    Give everything of a person: one object for each row with its ``table``, then the receipt.

    What waits in the spool is not stored yet and so is not in it.
    """
    rows = {}
    for table in TABLES:
        result = client.query(
            f"{load_sql('privacy.select')}\nFROM {table}{_final(table)}\nWHERE {load_sql(f'privacy.where_{table}')}",
            parameters={**person.values(), "until_ms": _EVER_MS},
        )
        rows[table] = len(result.result_rows)
        for row in result.named_results():
            yield {"table": table, **{name: _plain(value) for name, value in row.items()}}
    receipt = Receipt(
        receipt_id=uuid.uuid4().hex,
        action="export",
        project=person.project,
        asked=asked,
        done_at_ms=time.time_ns() // 1_000_000,
        ids=_named(person),
        rows=rows,
        ids_taken_out_of_events_of_others=0,
        left={},
        spool="what waits there is not in the export",
        stays="everything",
        files="nothing was changed",
    )
    _keep(client, receipt)
    yield {"table": "receipt", **msgspec.to_builtins(receipt)}


def _wait_for_spool(spool_dir: Path, wait_s: float) -> None:
    """Return once all that lies in the spool now is stored. Errors: PrivacyError."""
    ends = segment_ends(spool_dir)
    deadline = time.monotonic() + wait_s
    try:
        while waiting := waiting_bytes(spool_dir, ends):
            if time.monotonic() > deadline:
                raise PrivacyError(
                    f"{waiting} bytes of events wait in the spool {spool_dir} and may be this person's; nothing was removed. "
                    "Start scenetrail so that they are stored, then repeat "
                    "/ 缓冲中还有未入库的事件，请先启动 scenetrail 入库后重试"
                )
            time.sleep(_SPOOL_LOOK_S)
    except CheckpointError as error:
        raise PrivacyError(str(error)) from error


class Place(Struct, frozen=True):
    """A node and the names under which it holds rows itself."""

    client: Any
    local: dict[str, str]


def places(client: Client, nodes: Sequence[Client]) -> list[Place]:
    """Return all nodes that hold rows. Errors: PrivacyError when one of a cluster is not among ``nodes``."""
    found = []
    for node in nodes or (client,):
        engines = tables(node)
        local = {
            name: name + LOCAL if engines.get(name) == "Distributed" else name for name in engines
        }
        found.append(Place(node, local))
    if found[0].local.get("events") != "events":
        [(shards,)] = client.query("SELECT uniqExact(_shard_num) FROM cluster_shards").result_rows
        if shards > len(found):
            raise PrivacyError(
                f"the cluster has {shards} shards: give an address of each with --clickhouse-url, by comma "
                f"/ 集群有 {shards} 个分片，请给出每个节点的地址"
            )
    return found


def _to_all_nodes(client: Client, name: str) -> str:
    """Return a statement that stores a row on every node which holds the table whole."""
    copies = tables_to_all_nodes(client)
    return re.sub(
        r"\bINSERT INTO (\w+)",
        lambda found: found[0] + (COPIES if found[1] + COPIES in copies else ""),
        load_sql(f"privacy.{name}"),
    )


def _count(places: list[Place], person: Person, until_ms: int) -> dict[str, int]:
    """Rows of each table: over all shards, or on the node that has most of them."""
    return {
        table: max(
            int(
                place.client.query(
                    f"SELECT count() FROM {table}{_final(table)} WHERE {load_sql(f'privacy.where_{table}')}",  # noqa: S608 (TABLES)
                    parameters={**person.values(), "until_ms": until_ms},
                ).result_rows[0][0]
            )
            for place in (places[:1] if places[0].local[table] != table else places)
        )
        for table in TABLES
    }


def _final(table: str) -> str:
    """Count rows that copies make one only once; all of them are removed."""
    return " FINAL" if table == "events" else ""


def _others(client: Client, person: Person, until_ms: int) -> int:
    rows = client.query(
        load_sql("privacy.others"), parameters={**person.values(), "until_ms": until_ms}
    ).result_rows
    return int(rows[0][0])


def _command(places: list[Place], name: str, person: Person, until_ms: int) -> None:
    """
    Change the rows of a table on every node.

    A mutation's text stays in the data folder and in ``system.mutations``, so ids stand there as keys only.
    """
    table = "events" if name == "take_out" else name.removeprefix("delete_")
    values = {**person.values(), "until_ms": until_ms}
    for place in places:
        local = place.local[table]
        if name == "take_out":
            sql = re.sub(r"\bALTER TABLE \w+", f"ALTER TABLE {local}", load_sql("privacy.take_out"))
            place.client.command(sql, parameters=values, settings=_SETTINGS)
        elif table == "dead_letters":
            _delete_letters(place.client, local, values)
        else:
            sql = f"ALTER TABLE {local} DELETE WHERE {load_sql(f'privacy.where_{table}')}"
            place.client.command(sql, parameters=values, settings=_SETTINGS)


def _delete_letters(client: Client, local: str, values: dict[str, Any]) -> None:
    """Remove refused events by their places, since only their text names the person."""
    found = client.query(
        f"{load_sql('privacy.letters')}\nFROM {local}\nWHERE {load_sql('privacy.where_dead_letters')}",
        parameters=values,
    ).result_rows
    sql = f"ALTER TABLE {local} DELETE WHERE {load_sql('privacy.delete_dead_letters')}"
    for start in range(0, len(found), _LETTERS_AT_ONCE):
        some = found[start : start + _LETTERS_AT_ONCE]
        places = dict(
            zip(
                ("app_ids", "request_ids", "indexes"),
                map(list, zip(*some, strict=True)),
                strict=True,
            )
        )
        client.command(sql, parameters=places, settings=_SETTINGS)


def _keep(client: Client, receipt: Receipt) -> None:
    client.command(
        _to_all_nodes(client, "keep"),
        settings=_IN_FOREGROUND,
        parameters={
            "receipt_id": receipt.receipt_id,
            "action": receipt.action,
            "project": receipt.project,
            "done_ms": receipt.done_at_ms,
            "ids": len(receipt.ids),
            "tables": list(receipt.rows),
            "numbers": list(receipt.rows.values()),
        },
    )


def _named(person: Person) -> list[dict[str, str]]:
    return [dict(zip(("kind", "app_id", "id"), one, strict=True)) for one in person.ids]


def _plain(value: Any) -> Any:  # noqa: ANN401 (a column's value)
    return value.isoformat() if hasattr(value, "isoformat") else value
