"""``scenetrail import``: rows of files become what the same events over HTTP become, once, on one server and on shards."""

import csv
import gzip
import http.server
import json
import lzma
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from query_support import APP, PROJECT, ms
from writers import writer_on

from collector.clickhouse_urls import addresses
from collector.export import export_events
from collector.history import Importer, Report, refused_file
from collector.history_files import Reading, SourceError, find
from collector.ingest import screen
from collector.migrate import connect
from collector.privacy import erase
from collector.privacy import find as find_person
from collector.rows import build_block
from collector.sinks import ClickHouseSink
from collector.spool_format import SpoolRecord
from sdk_spec.access import AccessFile, App, save
from sdk_spec.id_hashing import hashed
from tests.conftest import ClusterServers
from tests.waiting import until

T = ms("2026-03-01T00:00:00+08:00")
NOW = ms("2026-11-22T08:00:00Z")
SKEW_MS = 300_000
KEY = b"0" * 64
STRICT = "wx0002"
APPS = (
    App(APP, PROJECT, "wechat"),
    App(STRICT, PROJECT, "alipay", deny=("phone",), hash_openids=True),
)
PLACES = ("北京", "上海", "乌鲁木齐", 'a "quoted", one', "", "two\nlines")


def rows(number: int = 200) -> list[dict[str, Any]]:
    """Events of the wire with what belongs to their batches beside them, of several devices, ids and types."""
    return [
        {
            "app_id": APP,
            "platform": "wechat",
            "event_id": f"h{i}",
            "event": ("page_view", "order_pay", "商品浏览")[i % 3],
            "occurred_at": T + i * 60_000,
            "openid": f"o{i % 20}",
            **({"user_id": f"u{i % 10}"} if i % 4 == 0 else {}),
            "seq": i,
            "session_id": f"s{i // 5}",
            "scene": ("1044", "0012")[i % 2],
            "page": "pages/首页",
            "utm": {"source": "公众号", "campaign": f"c{i % 3}"},
            "device": {"brand": "华为", "screen_width": 390 + i % 2},
            "app_version": f"1.{i % 2}",
            "properties": {
                "city": PLACES[i % len(PLACES)] or "x",
                "price": i + 0.5,
                "count": i,
                "vip": i % 2 == 0,
                "tags": ["红", "b"],
                "code": "007",
            },
        }
        for i in range(number)
    ]


def flat(row: dict[str, Any], *, json_properties: bool) -> dict[str, Any]:
    """The same row for CSV and Parquet."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if name == "properties" and json_properties:
            out[name] = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, dict):
            out |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            out[name] = value
    return out


def write_ndjson(path: Path, many: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in many))
    return path


def write_csv(path: Path, many: list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    lines = []
    for row in many:
        line = flat(row, json_properties=False)
        line["properties.tags"] = json.dumps(line["properties.tags"], ensure_ascii=False)
        line["properties.vip"] = json.dumps(line["properties.vip"])
        line["properties.code:text"] = line.pop("properties.code")
        lines.append(line)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, sorted({name for line in lines for name in line}))
        writer.writeheader()
        writer.writerows(lines)
    return path


def write_parquet(path: Path, many: list[dict[str, Any]], *, json_properties: bool = True) -> Path:
    lines = [flat(row, json_properties=json_properties) for row in many]
    names = sorted({name for line in lines for name in line})
    pq.write_table(pa.table({name: [line.get(name) for line in lines] for name in names}), path)
    return path


def run(url: str, *paths: Path | str, refused: Path | None = None, **options: Any) -> Report:
    """Import files as the command does."""
    zone = options.pop("zone", None)
    how = Reading(options.pop("encoding", "utf-8"), zone and ZoneInfo(zone))
    with ExitStack() as opened:
        sources = find([str(path) for path in paths], "", opened)
        sink = ClickHouseSink(url, 60)
        opened.callback(sink.close)
        importer = Importer(
            APPS,
            sink,
            hash_key=lambda: KEY,
            now_ms=options.pop("now_ms", NOW),
            max_clock_skew_ms=SKEW_MS,
            refused_to=opened.enter_context(refused_file(refused)),
            **{"rows_at_once": 70, **options},
        )
        return importer.run(sources, how, lambda *_: None)


def send(url: str, folder: Path, many: list[dict[str, Any]], received_at: int = NOW) -> None:
    """Store rows by the path of events over HTTP, one request each."""
    of_batch = ("app_id", "platform", "device", "app_version", "sent_at")
    records = []
    for number, row in enumerate(many):
        body = {name: row[name] for name in of_batch if name in row}
        body["events"] = [{name: row[name] for name in row if name not in of_batch}]
        app = next(app for app in APPS if app.app_id == row["app_id"])
        batch, content = screen(app, json.dumps(body).encode(), received_at, SKEW_MS, lambda: KEY)
        refused = [one.index for one in batch.rejections]
        records.append(
            SpoolRecord(
                1, received_at, f"r{number}", PROJECT, app.app_id, SKEW_MS, refused, [], content
            )
        )
    with writer_on(url, folder) as writer:
        writer.store(build_block(records), [])


def table(client: Any, name: str, order: str, without: tuple[str, ...] = ()) -> list[Any]:
    left_out = f" EXCEPT ({', '.join(without)})" if without else ""
    query = f"SELECT *{left_out} FROM {name} FINAL ORDER BY {order}"  # noqa: S608
    return list(client.query(query).result_rows)


def events(client: Any, *without: str) -> list[Any]:
    return table(client, "events", "app_id, event_id, event", without)


def persons(client: Any) -> list[Any]:
    return table(client, "identity_map", "id_key", ("version",))


def clear(url: str) -> None:
    """Empty the tables that events fill, on every node."""
    for each in addresses(url):
        client = connect(each)
        for (name,) in client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase()"
            " AND endsWith(engine, 'MergeTree') AND name NOT IN ('migrations', 'scenes', 'shard_layouts')"
        ).result_rows:
            client.command(f"TRUNCATE TABLE {name}")
        client.close()


def test_rows_of_every_format_become_what_the_same_events_over_http_become(
    database, database_url, tmp_path: Path
) -> None:
    many = rows()
    send(database_url, tmp_path, many)
    sent, known = events(database), persons(database)
    assert len(sent) == 200
    files = [
        write_ndjson(tmp_path / "a.ndjson", many),
        write_csv(tmp_path / "b.csv", many),
        write_csv(tmp_path / "gbk.csv", many, "gb18030"),
        write_parquet(tmp_path / "c.parquet", many),
        write_parquet(tmp_path / "d.parquet", many, json_properties=False),
    ]
    packed = tmp_path / "e.ndjson.gz"
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    for file in [*files, packed]:
        clear(database_url)
        report = run(database_url, file, encoding="gb18030" if file.name == "gbk.csv" else "utf-8")

        assert (report.rows, report.stored, report.refused) == (200, 200, {}), file.name
        assert events(database) == sent, file.name
        assert persons(database) == known, file.name
        again = run(database_url, file, encoding="gb18030" if file.name == "gbk.csv" else "utf-8")
        assert (again.stored, again.known) == (0, 200)
    # What was imported is known when it is sent, and the other way round.
    send(database_url, tmp_path / "again", many, NOW + 1)
    assert events(database) == sent


def test_bad_rows_leave_their_neighbours_and_stand_in_the_report_the_file_and_the_refused_events(
    database, database_url, tmp_path: Path
) -> None:
    good = rows(20)
    bad: list[tuple[dict[str, Any] | str, str, str]] = [
        ({**good[1], "event_id": "b1", "occurred_at": "yesterday"}, "invalid_type", "$.occurred_at"),
        ({**good[1], "event_id": "b2", "occurred_at": 1_700_000_000}, "occurred_at_out_of_range", "$.occurred_at"),
        ({**good[1], "event_id": "b3", "properties": {"a": {"b": 1}}}, "invalid_type", "$.properties.a"),
        ({**good[1], "event_id": "b4", "openid": None, "user_id": None}, "missing_identity", "$"),
        ({**good[1], "event_id": "b5", "platform": "weixin"}, "invalid_envelope", "$.platform"),
        ({**good[1], "event_id": "b6", "app_id": "unknown"}, "forbidden", "$.app_id"),
        ("{not json", "not_json", "$"),
        ('{"event_id":"b7","event":"x","occurred_at":1,"openid":"\\ud83d"}', "invalid_value", "$.openid"),
        ({**good[1], "event_id": "b8", "event": ""}, "not_printable", "$.event"),
    ]  # fmt: skip
    lines = [json.dumps(row) for row in good]
    for position, (row, _, _) in enumerate(bad):
        lines.insert(2 * position, row if isinstance(row, str) else json.dumps(row))
    file = tmp_path / "mixed.ndjson"
    file.write_text("\n".join([*lines, ""]))
    refused = tmp_path / "refused.ndjson"

    report = run(database_url, file, refused=refused, app_id=APP)

    assert (report.rows, report.stored, report.refused_rows) == (29, 20, 9)
    expected: dict[str, dict[str, int]] = {}
    for _, code, path in bad:
        paths = expected.setdefault(code, {})
        paths[path] = paths.get(path, 0) + 1
    assert report.refused == expected
    told = [json.loads(line) for line in refused.read_text().splitlines()]
    assert refused.stat().st_mode & 0o077 == 0
    assert {one["$refused"]["row"] for one in told} == set(range(1, 19, 2))
    letters = table(database, "dead_letters", "event_id")
    assert [one[5] for one in letters] == ["b1", "b2", "b3", "b4", "b7", "b8"]

    again = run(database_url, file, refused=refused, app_id=APP, now_ms=NOW + 1)
    assert (again.stored, again.known, again.refused) == (0, 20, report.refused)
    assert table(database, "dead_letters", "event_id") == letters

    mended = [one | {"occurred_at": T} for one in told if one.get("event_id") in ("b1", "b2")]
    last = run(database_url, write_ndjson(tmp_path / "mended.ndjson", mended), refused=refused)
    assert (last.stored, last.refused, last.unknown_columns) == (2, {}, [])
    assert not refused.exists()


def test_refused_cells_of_tables(database, database_url, tmp_path: Path) -> None:
    lines = [
        "app_id,event_id,event,occurred_at,openid,seq,properties,colour,properties.vip:flag",
        f'{APP},c1,view,2026-03-01T00:00:00+08:00,o1,1,"{{""n"": 1}}",red,',
        f"{APP},c2,view,2026-03-01 00:00:00,o1,1,,,true",  # of which zone?
        f"{APP},c3,view,{T},o1,many,,,",
        f"{APP},c4,view,{T},o1,1,not json,,",
        f"{APP},c5,view,{T}",
        f"{APP},c6,view,{T},o1,1,,,maybe",
        f"{APP},c7,view,{T},o1,1,,,1",
    ]
    file = tmp_path / "cells.csv"
    file.write_text("\n".join(lines))

    report = run(database_url, file)

    assert report.stored == 1
    assert report.refused == {
        "invalid_type": {
            "$.occurred_at": 1,
            "$.seq": 1,
            "$.properties": 1,
            "$.properties.vip": 2,
        },
        "invalid_value": {"$": 1},
    }
    assert report.unknown_columns == ["colour"]
    columns = "event_id, toUnixTimestamp64Milli(occurred_at), properties_number['n'], platform"
    assert database.query(f"SELECT {columns} FROM events").result_rows == [("c1", T, 1.0, "wechat")]  # noqa: S608
    with pytest.raises(SourceError, match="no such file"):
        run(database_url, tmp_path / "none.csv")
    again = run(database_url, file, zone="Asia/Shanghai")
    assert (again.stored, again.known) == (1, 1)
    assert database.query(f"SELECT {columns} FROM events WHERE event_id = 'c2'").result_rows == [  # noqa: S608
        ("c2", T, 0.0, "wechat")
    ]


def test_a_file_that_cannot_be_read_stops_no_other(database_url, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("event,event\na,b")
    (tmp_path / "2.parquet").write_bytes(b"PAR1")
    (tmp_path / "3.csv").write_text('event_id,event\nq1,"a"b\n')
    (tmp_path / "4.ndjson.GZ").write_bytes(gzip.compress(json.dumps(rows(1)[0]).encode()))

    report = run(database_url, tmp_path / "[1-4].*")

    assert report.stored == 1
    told = [report.unreadable[f"{tmp_path}/{name}"] for name in ("1.csv", "2.parquet", "3.csv")]
    assert "twice" in told[0]
    assert "Parquet" in told[1]
    assert "line 2" in told[2]


def test_parquet_of_other_programs(database, database_url, tmp_path: Path) -> None:
    """Whole numbers for ids, decimals, texts and local times for moments: what warehouses write."""
    local = datetime(2026, 3, 1)  # noqa: DTZ001 (as in the file)
    prices = [Decimal("19.90"), None, Decimal("-0.01")]
    moments = {
        "local": [local] * 3,
        "text": ["2026-03-01 00:00:00", f"{T}", "2026-03-01T00:00:00+08:00"],
    }
    for name, column in moments.items():
        written = {
            "event_id": [f"{name}{i}" for i in range(3)],
            "event": pa.array(["view"] * 3).dictionary_encode(),
            "occurred_at": column,
            "user_id": [2**63 - 1, 7, 8],
            "openid": pa.array([Decimal(1), None, None], pa.decimal128(20, 0)),
            "properties.price": pa.array(prices, pa.decimal128(10, 2)),
        }
        pq.write_table(pa.table(written), tmp_path / f"{name}.parquet")
    pattern = tmp_path / "*.parquet"

    without_zone = run(database_url, pattern, app_id=APP)
    with_zone = run(database_url, pattern, app_id=APP, zone="Asia/Shanghai")

    assert without_zone.refused == {"invalid_type": {"$.occurred_at": 4}}
    assert (with_zone.stored, with_zone.known) == (4, 2)
    assert database.query(
        "SELECT DISTINCT toUnixTimestamp64Milli(occurred_at), user_id, openid, properties_number FROM events ORDER BY user_id"
    ).result_rows == [
        (T, "7", "", {}),
        (T, "8", "", {"price": -0.01}),
        (T, str(2**63 - 1), "1", {"price": 19.9}),
    ]


def test_an_export_imported_again_is_what_it_was(database, database_url, tmp_path: Path) -> None:
    """Every column, also where clocks were wrong, ids bound and integers too large for a float."""
    odd = rows(12)
    for row, sent_at in zip(
        odd[:4], (NOW - 1_000, NOW + 3_600_000, T, NOW - 86_400_000), strict=True
    ):
        row["sent_at"] = sent_at
    odd[4]["occurred_at"] = NOW + 86_400_000
    odd[5] |= {"occurred_at": NOW + 86_400_000, "sent_at": NOW + 3_600_000}
    odd[6]["properties"] = {"big": 2**53 + 1, "small": -0.25, "empty": "", "none": []}
    odd[7] |= {
        "event": "user_unset",
        "properties": {"city": None},
        "chat_type": 0,
        "duration_ms": 0,
    }
    odd[8] |= {
        "app_id": STRICT,
        "properties": {"phone": "13800138000", "note": "ok"},
        "openid": "secret",
    }
    odd[9] |= {"app_id": STRICT}
    # One phone at two openids: they are one person by that alone.
    odd[10]["phone_hash"] = odd[11]["phone_hash"] = f"ph_{'a' * 32}"
    send(database_url, tmp_path, odd)
    sent, known = events(database), persons(database)
    conditions = {row[0] for row in database.query("SELECT DISTINCT clock FROM events").result_rows}
    assert conditions == {"ok", "shifted", "future"}
    assert [row for row in sent if "secret" in row or "13800138000" in str(row)] == []
    files = []
    for app in APPS:
        files.append(tmp_path / f"{app.app_id}.parquet")
        export_events(database, app.app_id, 0, 2**42, files[-1])

    clear(database_url)
    report = run(database_url, tmp_path / "wx*.parquet", now_ms=NOW + 86_400_000)

    assert (report.stored, report.refused, report.unknown_columns) == (12, {}, [])
    assert events(database) == sent
    assert persons(database) == known
    assert run(database_url, *files).known == 12
    wrong = pq.read_table(files[0])
    wrong = wrong.set_column(
        wrong.column_names.index("clock"), "clock", pa.array(["shifted"] * len(wrong))
    )
    pq.write_table(wrong, tmp_path / "wrong.parquet")
    assert run(database_url, tmp_path / "wrong.parquet").refused["invalid_value"] == {
        "$.occurred_at": 7
    }


def test_rules_of_an_app_and_erased_persons_hold(database, database_url, tmp_path: Path) -> None:
    many = rows(20)
    for row in many:
        row |= {"app_id": STRICT, "platform": "alipay", "page_query": "tel=13800138000"}
        row["properties"]["phone"] = "13900139000"
    file = write_ndjson(tmp_path / "a.ndjson", many)
    first = run(database_url, write_ndjson(tmp_path / "one.ndjson", many[:1]))
    nodes = [connect(url) for url in addresses(database_url)]
    person = find_person(database, PROJECT, f"openid:{hashed(KEY, STRICT, 'o0')}", [STRICT])
    erase(database, tmp_path / "none", person, "openid:o0", wait_s=0, nodes=nodes)
    for node in nodes:
        node.close()

    report = run(database_url, file, now_ms=NOW + 1)

    assert (first.stored, report.stored, report.erased, report.known) == (1, 19, 0, 1)
    stored = str(events(database))
    assert "13800138000" not in stored
    assert "13900139000" not in stored
    assert "'o1'" not in stored
    assert hashed(KEY, STRICT, "o1") in stored
    # Erased persons stay away, whatever ids the rows have.
    copies = [
        row | {"event_id": f"copy-{i}"} for i, row in enumerate(many) if row["openid"] == "o0"
    ]
    gone = run(database_url, write_ndjson(tmp_path / "copies.ndjson", copies))
    assert (gone.stored, gone.erased) == (0, len(copies))


def test_rows_without_an_id_get_one_of_their_place_and_content(
    database, database_url, tmp_path: Path
) -> None:
    many = [{name: value for name, value in row.items() if name != "event_id"} for row in rows(5)]
    file = write_ndjson(tmp_path / "plain.ndjson", [*many, *many[:2]])
    assert run(database_url, file, app_id=APP).stored == 7
    (tmp_path / "elsewhere").mkdir()
    file = file.rename(tmp_path / "elsewhere" / file.name)

    again = run(database_url, file, app_id=APP)

    assert (again.stored, again.known) == (0, 7)
    ids = {event_id for (event_id,) in database.query("SELECT event_id FROM events").result_rows}
    assert len(ids) == 7
    assert all(one.startswith("imported-") for one in ids)


def test_of_copies_in_a_file_the_first_counts(database, database_url, tmp_path: Path) -> None:
    first, second, other = rows(3)
    file = write_ndjson(
        tmp_path / "copies.ndjson",
        [other, first, {**second, "event_id": first["event_id"], "device": None}, {**first, "event": "late"}],
    )  # fmt: skip

    report = run(database_url, file)

    assert (report.stored, report.known) == (2, 2)
    kept = database.query("SELECT event FROM events WHERE event_id = 'h0'").result_rows
    assert kept == [(first["event"],)]


def test_a_dry_run_stores_nothing(database, database_url, tmp_path: Path) -> None:
    many = rows(30)
    many[3]["event"] = ""
    report = run(database_url, write_ndjson(tmp_path / "a.ndjson", many), is_dry=True)

    assert (report.stored, report.refused_rows) == (29, 1)
    assert events(database) == []
    assert table(database, "dead_letters", "event_id") == []


def test_the_report_stands_alone_on_standard_output(tmp_path: Path) -> None:
    """What is said while ClickHouse does not answer goes to standard error."""
    save(tmp_path / "access.json", AccessFile(apps=APPS))
    file = write_ndjson(tmp_path / "a.ndjson", rows(1))
    command = [sys.executable, "-c"]
    command += ["from collector import cli, history; history._TRIES = 2; cli.main()"]
    command += ["import", str(file), "--json", "--data-dir", str(tmp_path)]
    command += ["--clickhouse-url", "http://default:@127.0.0.1:1/none"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert '"insert_failed"' in done.stderr
    assert "broke off, repeat it" in done.stderr


class _Objects(http.server.BaseHTTPRequestHandler):
    """Files over HTTP; a bucket as S3 lists it. ``folder`` holds them."""

    folder: Path

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        name = path.strip("/").removeprefix("bucket").strip("/")
        if "list-type" in query:
            self.answer(200, self.listing(), "application/xml")
            return
        file = self.folder / name
        if not name or not file.is_file():
            self.answer(404, b"", "text/plain")
            return
        content = file.read_bytes()
        if wanted := self.headers.get("Range"):
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            last = min(int(end or len(content)), len(content) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            content = content[int(start) : last + 1]
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.answer(200, content, "application/octet-stream")

    do_HEAD = do_GET  # noqa: N815 (what the server looks for)

    def listing(self) -> bytes:
        found = "".join(
            f"<Contents><Key>{path.relative_to(self.folder)}</Key><Size>{path.stat().st_size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for path in sorted(self.folder.rglob("*.*"))
        )
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()
        )

    def answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def objects(tmp_path: Path):
    """Address of a server that has the files of ``tmp_path / "objects"``."""
    folder = tmp_path / "objects"
    folder.mkdir()
    handler = type("Handler", (_Objects,), {"folder": folder})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_files_behind_http_and_on_s3(
    database_url, tmp_path: Path, objects: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = rows(40)
    (tmp_path / "objects" / "older").mkdir()
    write_parquet(tmp_path / "objects" / "older" / "c0.parquet", many[30:])
    write_parquet(tmp_path / "objects" / "c1.parquet", many[:10])
    write_parquet(tmp_path / "objects" / "c2.parquet", many[10:20])
    write_csv(tmp_path / "objects" / "d.csv", many[20:30])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = f"?region=cn-north-1&scheme=http&endpoint_override={objects}"

    over_http = run(database_url, f"http://{objects}/d.csv?signature=1")
    on_s3 = run(database_url, f"s3://bucket/c*.parquet{options}")

    with_folders = run(database_url, f"s3://bucket/**/c*.parquet{options}")

    assert (over_http.stored, on_s3.stored) == (10, 20)
    assert (with_folders.stored, with_folders.known) == (10, 20)
    assert run(database_url, f"s3://bucket/d.csv{options}").known == 10
    with pytest.raises(SourceError, match="404"):
        run(database_url, f"http://{objects}/none.csv")
    with pytest.raises(SourceError, match="no such object"):
        run(database_url, f"s3://bucket/none.csv{options}")


def select(url: str, folder: Path, *statements: str) -> tuple[int, dict[str, Any]]:
    """Import what ClickHouse selects, by the command; return its exit code and report."""
    save(folder / "access.json", AccessFile(apps=APPS))
    command = [sys.executable, "-m", "collector.cli", "import", "--json", "--app-id", APP]
    command += ["--data-dir", str(folder), "--refused", str(folder / "refused.ndjson")]
    for statement in statements:
        command += ["--select", statement]
    environment = os.environ | {"SCENETRAIL_CLICKHOUSE_URL": url, "SCENETRAIL_BLOCK_ROWS": "70"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 1, 2), done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def test_what_clickhouse_reads_becomes_what_the_same_events_over_http_become(
    database, database_url, tmp_path: Path, objects: str
) -> None:
    many = rows()
    send(database_url, tmp_path, many)
    of_import = ("received_at", "precedence")
    sent, known = events(database, *of_import), persons(database)
    assert len(sent) == 200
    write_ndjson(tmp_path / "a.ndjson", many)
    (tmp_path / "a.ndjson.xz").write_bytes(lzma.compress((tmp_path / "a.ndjson").read_bytes()))
    write_csv(tmp_path / "b.csv", many)
    write_parquet(tmp_path / "objects" / "c1.parquet", many[:100], json_properties=False)
    write_parquet(tmp_path / "objects" / "c2.parquet", many[100:], json_properties=False)
    (tmp_path / "s3.sql").write_text(
        f"SELECT * FROM s3('http://{objects}/bucket/c{{1,2}}.parquet', NOSIGN, 'Parquet') -- both\n"  # noqa: S608
    )
    texts = "scene String, app_version String, `properties.code:text` String"
    tags = "JSONExtract(assumeNotNull(`properties.tags`), 'Array(String)') AS `properties.tags`"
    of_csv = (
        f"SELECT * REPLACE ({tags}) FROM file('{tmp_path}/b.csv') "  # noqa: S608
        f"SETTINGS schema_inference_hints = '{texts}'"
    )
    for statement in (
        f"SELECT * FROM file('{tmp_path}/a.ndjson.xz', 'JSONEachRow')",  # noqa: S608
        of_csv,
        str(tmp_path / "s3.sql"),
    ):
        clear(database_url)
        code, report = select(database_url, tmp_path, statement)

        assert (code, report["stored"]) == (0, 200), report
        assert events(database, *of_import) == sent, statement
        assert persons(database) == known

    code, report = select(database_url, tmp_path, of_csv, str(tmp_path / "s3.sql"))
    assert (code, report["rows"], report["stored"], report["known"]) == (0, 400, 0, 400)


def test_types_of_clickhouse_and_rows_that_are_no_events(
    database, database_url, tmp_path: Path
) -> None:
    of_row = (
        "SELECT toDateTime('2026-03-01 00:00:00', 'Asia/Shanghai') AS occurred_at, "
        "CAST('view' AS Enum8('view' = 1)) AS event, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS openid, "
        "toLowCardinality(toNullable('u1')) AS user_id, 19.90::Decimal(10, 2) AS `properties.price`, "
        "tuple('qr', 'x')::Tuple(source String, medium String) AS utm"
    )
    statements = (
        f"{of_row}, toString(number) AS event_id, if(number = 2, unhex('ff'), '北京') AS `properties.city`, 1 AS weather "
        "FROM numbers(4)",
        of_row,
        f"{of_row}, toString(10 + number) AS event_id, throwIf(number = 300) AS seq FROM numbers(1000) "
        "SETTINGS max_block_size = 100",
        "INSERT INTO events SELECT 1",
    )
    code, report = select(database_url, tmp_path, *statements)

    assert code == 2
    refused = {"invalid_value": {"$": 1}, "missing_field": {"$.event_id": 1}}
    assert (report["refused"], report["unknown_columns"]) == (refused, ["weather"])
    first, second = sorted(report["unreadable"].values())
    assert "SYNTAX_ERROR" in first + second
    assert "throwIf" in first + second
    assert database.query(
        "SELECT event_id, toUnixTimestamp64Milli(occurred_at), event, openid, user_id, utm_source, utm_medium, "
        "properties_number, properties_text FROM events FINAL WHERE length(event_id) = 1 ORDER BY event_id"
    ).result_rows == [
        (
            number,
            T,
            "view",
            "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
            "u1",
            "qr",
            "x",
            {"price": 19.9},
            {"city": "北京"},
        )
        for number in ("0", "1", "3")
    ]


def test_killed_in_the_middle_and_run_again_counts_each_row_once(
    cluster: ClusterServers, tmp_path: Path
) -> None:
    """The command itself, on two shards: ``kill -9`` once some of it is stored, then again."""
    many = rows(3_000)
    many[1_234]["event"] = ""
    file = write_ndjson(tmp_path / "a.ndjson", many)
    save(tmp_path / "access.json", AccessFile(apps=APPS))
    for url in cluster.database(2):
        command = [sys.executable, "-m", "collector.cli", "import", str(file), "--json"]
        command += ["--data-dir", str(tmp_path), "--refused", str(tmp_path / "refused.ndjson")]
        environment = os.environ | {
            "SCENETRAIL_CLICKHOUSE_URL": url,
            "SCENETRAIL_BLOCK_ROWS": "250",
        }
        client = connect(url)
        # The keys of a block follow its events.
        count = partial(client.command, "SELECT count() FROM event_ids")
        first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        try:
            until(count, "a block of the first run")
        finally:
            first.kill()
            first.communicate()

        second = subprocess.run(command, env=environment, capture_output=True, check=False)

        assert first.returncode in (-9, 1)  # on an endlessly fast machine it was done
        assert second.returncode == 1, second.stderr.decode()
        report = json.loads(second.stdout)
        assert report["refused"] == {"not_printable": {"$.event": 1}}
        assert report["stored"] + report["known"] == 2_999
        assert report["known"] > 0
        counted = "count(), uniqExact(event_id), sum(properties_number['count'])"
        assert client.query(f"SELECT {counted} FROM events FINAL").result_rows == [  # noqa: S608
            (2_999, 2_999, pytest.approx(sum(range(3_000)) - 1_234))
        ]
        # An insert of the killed one may still arrive while the second looks.
        assert client.command("SELECT uniqExact(request_id) FROM dead_letters") == 1
        line = json.loads((tmp_path / "refused.ndjson").read_text())
        assert (line["event_id"], line["$refused"]["row"]) == ("h1234", 1_235)
        client.close()


def test_two_shards(cluster: ClusterServers, tmp_path: Path) -> None:
    """The whole of it also runs with ``--shards 2``."""
    for url in cluster.database(2):
        many = rows(300)
        many[7]["seq"] = -1
        file = write_parquet(tmp_path / "a.parquet", many)
        report = run(url, file)
        again = run(url, file)
        nodes = [connect(each) for each in addresses(url)]
        held = [node.query("SELECT count() FROM events_local").result_rows[0][0] for node in nodes]
        whole = [node.query("SELECT count() FROM events FINAL").result_rows[0][0] for node in nodes]
        letters = [
            node.query("SELECT count() FROM dead_letters FINAL").result_rows[0][0] for node in nodes
        ]
        assert (report.stored, report.refused_rows) == (299, 1)
        assert (again.stored, again.known) == (0, 299)
        assert sum(held) == 299
        assert min(held) > 50
        assert whole == [299, 299]
        assert letters == [1, 1]
        assert persons(nodes[0]) == persons(nodes[1])
        for node in nodes:
            node.close()
