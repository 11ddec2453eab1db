"""``scenetrail up`` as a whole: start, ports, restart of children, stop, nothing left behind."""

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from standalone_process import ANY_PORTS, SCENETRAIL, Standalone, request

from collector.clickhouse_urls import AddressError, with_database
from collector.local_clickhouse import LocalServer
from collector.migrate import connect
from collector.ports import PortError, PortWish, http_url, pick_ports
from tests.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """One that serves, for tests that leave it serving. Its path has spaces and signs of XML."""
    folder = tmp_path_factory.mktemp("stand alone") / "data & <more>"
    standalone = Standalone(folder)
    try:
        yield standalone.wait_ready()
        assert standalone.stop() == 0
    finally:
        standalone.end()


@pytest.fixture
def started() -> Iterator[list[Standalone]]:
    """Append what a test starts: it is ended whatever happens."""
    all_started: list[Standalone] = []
    yield all_started
    for standalone in all_started:
        standalone.end()


def stored(running: Standalone) -> list[str]:
    """Event ids in the events table, each as often as a query sees it."""
    client = connect(running.ready["clickhouse_url"])
    try:
        rows = client.query("SELECT event_id FROM events FINAL ORDER BY event_id").result_rows
    finally:
        client.close()
    return [row[0] for row in rows]


def test_ready_line_names_everything_a_client_needs(running: Standalone) -> None:
    assert running.serves()
    assert running.ready["app_id"].startswith("wx")
    assert running.send("ready-1")[0] == 200
    status, _ = request(
        f"{running.ready['query_url']}/v1/events/schema",
        Authorization=f"Bearer {running.ready['read_token']}",
    )
    assert status == 200
    until(lambda: "ready-1" in stored(running), "the event is stored")


def test_secrets_in_the_folder_are_private(running: Standalone) -> None:
    folder = Path(running.ready["data_dir"])
    for name in ("credentials.json", "access.json", "ready.json", "clickhouse.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_folder_in_use_is_refused_with_who_has_it(running: Standalone) -> None:
    done = subprocess.run(
        [*SCENETRAIL, "up", "--data-dir", running.ready["data_dir"], *ANY_PORTS],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert f"in use by another scenetrail (process {running.process.pid})" in done.stderr
    assert "正被另一个 scenetrail" in done.stderr
    assert running.serves()


@pytest.mark.parametrize(
    ("option", "url"),
    [("--collector-port", "collector_url"), ("--query-port", "query_url")],
)
def test_port_of_another_scenetrail_is_refused(
    running: Standalone, tmp_path: Path, option: str, url: str
) -> None:
    """The collector's workers share their port by SO_REUSEPORT; a stranger must not join them."""
    port = running.ready[url].rpartition(":")[2]

    done = subprocess.run(
        [*SCENETRAIL, "up", "--data-dir", str(tmp_path / "other"), *ANY_PORTS, option, port],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert f"port {port} for the" in done.stderr
    assert f"{option} 0 picks a free one" in done.stderr
    assert f"端口 {port} 已被占用" in done.stderr


@pytest.mark.parametrize(
    "part",
    [
        "collector.local_clickhouse",
        "collector",
        "collector.worker",
        "collector.writer_process",
        "query_api",
    ],
)
def test_killed_part_is_started_again_on_its_port(running: Standalone, part: str) -> None:
    before = until(lambda: running.pid_of(part), f"{part} runs")
    others = {pid for pid, line in running.processes().items() if part not in line}
    event_id = f"after-{part}"

    os.kill(before, signal.SIGKILL)
    until(lambda: running.pid_of(part) not in (None, before), f"{part} runs again")
    until(running.serves, "all serve again")
    until(lambda: running.send(event_id)[0] == 200, "an event is accepted")

    until(lambda: event_id in stored(running), "the event is stored")
    assert stored(running).count(event_id) == 1
    if part != "collector":  # its workers and writer go with it
        assert others <= set(running.processes())


def test_later_start_on_a_folder_has_the_same_app_keys_and_events(
    tmp_path: Path, started: list[Standalone]
) -> None:
    first = Standalone(tmp_path / "data")
    started.append(first)
    first.wait_ready()
    assert first.send("kept")[0] == 200
    assert first.stop(signal.SIGINT) == 0  # what Ctrl-C sends
    until(lambda: first.processes() == {}, "nothing is left")
    assert not (tmp_path / "data" / "ready.json").exists()

    second = Standalone(tmp_path / "data", "--workers", "2")
    started.append(second)
    second.wait_ready()

    same = ("app_id", "project", "write_key", "read_token")
    assert [second.ready[name] for name in same] == [first.ready[name] for name in same]
    until(lambda: stored(second) == ["kept"], "the event of the first run is there")
    workers = [line for line in second.processes().values() if "-m collector.worker" in line]
    assert len(workers) == 2


def test_killed_parent_leaves_no_process_and_its_ports_free(
    tmp_path: Path, started: list[Standalone]
) -> None:
    ports = [str(port) for port in pick_ports([PortWish("", "", "127.0.0.1", 0)] * 3)]
    options = [
        "--collector-port",
        ports[0],
        "--query-port",
        ports[1],
        "--clickhouse-port",
        ports[2],
    ]
    first = Standalone(tmp_path / "data", ports=options)
    started.append(first)
    first.wait_ready()
    assert first.send("before the crash")[0] == 200
    assert len(first.processes()) >= 6

    first.process.kill()

    second = Standalone(tmp_path / "data", ports=options)  # at once, as systemd would
    started.append(second)
    until(lambda: first.processes() == {}, "all are gone")
    second.wait_ready()
    assert second.ready["collector_url"] == first.ready["collector_url"]
    until(lambda: stored(second) == ["before the crash"], "the accepted event is stored once")


def test_second_signal_ends_parts_that_hang_and_leaves_no_process(
    tmp_path: Path, started: list[Standalone]
) -> None:
    standalone = Standalone(tmp_path / "data")
    started.append(standalone)
    standalone.wait_ready()
    for part in ("collector.worker", "collector.local_clickhouse"):
        pid = standalone.pid_of(part)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    standalone.process.send_signal(signal.SIGTERM)
    until(lambda: any('"stopping"' in line for line in standalone.log), "it is stopping")

    standalone.process.send_signal(signal.SIGINT)

    assert standalone.finish() == 0
    until(lambda: standalone.processes() == {}, "nothing is left")


def test_signal_during_the_start_stops_cleanly(tmp_path: Path, started: list[Standalone]) -> None:
    standalone = Standalone(tmp_path / "data")
    started.append(standalone)
    until(lambda: any('"child_started"' in line for line in standalone.log), "ClickHouse starts")

    assert standalone.stop() == 0
    until(lambda: standalone.processes() == {}, "nothing is left")


def test_outside_clickhouse_is_used(
    tmp_path: Path, clickhouse: LocalServer, started: list[Standalone]
) -> None:
    database = f"outside_{os.getpid()}"
    url = clickhouse.url("writer").rpartition("/")[0] + "/" + database
    standalone = Standalone(tmp_path / "data", "--clickhouse-url", url)
    started.append(standalone)

    standalone.wait_ready()

    assert standalone.ready["clickhouse_url"] == url
    assert standalone.pid_of("collector.local_clickhouse") is None
    assert any("--clickhouse-reader-url" in line for line in standalone.log)
    assert standalone.send("outside")[0] == 200
    until(lambda: stored(standalone) == ["outside"], "the event is stored there")
    assert standalone.stop() == 0
    client = connect(url)
    client.command(f"DROP DATABASE {database}")
    client.close()


def test_wrong_password_of_an_outside_clickhouse_is_said_and_not_shown(
    tmp_path: Path, clickhouse: LocalServer, started: list[Standalone]
) -> None:
    url = f"http://writer:secret-of-mine@127.0.0.1:{clickhouse.http_port}/scenetrail"
    standalone = Standalone(tmp_path / "data", "--clickhouse-url", url)
    started.append(standalone)

    assert standalone.finish() == 1
    log = "".join(standalone.log)
    assert "AUTHENTICATION_FAILED" in log
    assert "secret-of-mine" not in log


def test_fewer_shards_than_the_folder_holds_are_refused(
    tmp_path: Path, started: list[Standalone]
) -> None:
    (tmp_path / "data" / "clickhouse-2").mkdir(parents=True)
    standalone = Standalone(tmp_path / "data")
    started.append(standalone)

    assert standalone.finish() == 2
    assert "use --shards 2" in "".join(standalone.log)


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path, started: list[Standalone]) -> None:
    (tmp_path / "file").write_text("")
    standalone = Standalone(tmp_path / "file" / "data", cwd=tmp_path)
    started.append(standalone)

    assert standalone.finish() == 2
    assert "cannot use the data folder" in "".join(standalone.log)


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
def test_port_that_somebody_listens_on_is_refused(option: int) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(("0.0.0.0", 0))  # noqa: S104
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortError, match=f"port {port} for the collector is taken"):
            pick_ports([PortWish("collector", "--collector-port", "127.0.0.1", port)])


def test_picked_ports_differ_and_avoid_wished_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    wished, *others = pick_ports([PortWish("a", "--a", "127.0.0.1", 0)] * 4)
    # As chance may have it: each is offered the same ports in the same order.
    monkeypatch.setattr("random.sample", lambda *_: [wished, *others])
    wishes = [PortWish("a", "--a", "127.0.0.1", port) for port in (0, 0, wished, 0)]

    assert pick_ports(wishes) == [*others[:2], wished, others[2]]


def test_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(PortError, match="Check --host"):
        pick_ports([PortWish("collector", "--collector-port", "192.0.2.1", 8710)])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104
        ("::", "http://[::1]:1"),
        ("collector.example", "http://collector.example:1"),
    ],
)
def test_address_shown_can_be_reached(host: str, url: str) -> None:
    assert http_url(host, 1) == url


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ("http://h:8123", "http://h:8123/scenetrail"),
        ("http://u:p@h:8123/", "http://u:p@h:8123/scenetrail"),
        ("https://u:p@h:8443/mine", "https://u:p@h:8443/mine"),
    ],
)
def test_clickhouse_address_without_database_gets_ours(given: str, complete: str) -> None:
    assert with_database(given) == complete


@pytest.mark.parametrize("given", ["localhost:8123", "tcp://h:9000/x", "http://", "nonsense"])
def test_wrong_clickhouse_address_is_refused(given: str) -> None:
    with pytest.raises(AddressError, match="must look like http://user:password@host"):
        with_database(given)
