"""
``scenetrail up``: everything on one machine, as child processes of this one.

In order: lock of the data folder, ports, local ClickHouse, migrations, collector, query API, the
READY line. Stopped in the other order: the collector first, so that what it accepted is stored.
Called by ``commands``. Knows the other parts only by their command lines and ``SCENETRAIL_*`` variables.

What operators may read on standard error is in Chinese and English; standard output gets the READY
line and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

import structlog
from msgspec import Struct

from collector import keys, logs, settings
from collector.clickhouse_urls import AddressError, with_database
from collector.keys import Credentials
from collector.local_clickhouse import LocalServer, prepare
from collector.ports import PortError, PortWish, http_url, pick_ports
from collector.processes import Child, ChildNotReadyError, Supervisor
from collector.running import Ready, publish, withdraw
from sdk_spec import access

DEFAULT_COLLECTOR_PORT = 8710
DEFAULT_QUERY_PORT = 8720
DEFAULT_CLICKHOUSE_PORT = 8730
LOCAL_CLUSTER = "scenetrail"

MIGRATION_WAIT_S = 60.0
HTTP_TIMEOUT_S = 5.0
# Longer than the supervisor inside the collector takes when hurried.
COLLECTOR_HURRY_DEADLINE_S = 6.0
STOP_DEADLINE_S = 60.0
WANTED_OPEN_FILES = 65_536

T = TypeVar("T")

log = structlog.get_logger("collector.standalone")


class StartError(Exception):
    """Starting is impossible for a reason the operator can remove; the message says how. Exit 2."""


class Options(Struct, frozen=True, kw_only=True):
    """The options of ``scenetrail up``; ports are TCP ports, 0 picks a free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    collector_port: int = DEFAULT_COLLECTOR_PORT
    query_port: int = DEFAULT_QUERY_PORT
    clickhouse_port: int = DEFAULT_CLICKHOUSE_PORT
    workers: int = 1
    shards: int = 1
    clickhouse_url: str = ""
    clickhouse_reader_url: str = ""
    clickhouse_editor_url: str = ""


def up(options: Options) -> int:
    """
    Serve until SIGTERM or Ctrl-C and return the exit code: 0 stopped, 1 a part failed to start.

    Errors: StartError, before anything was started.
    """
    try:
        logs.configure(settings.from_env().log_level, "up")
    except ValueError as error:
        raise StartError(str(error)) from error
    if options.shards != 1 and options.clickhouse_url:
        raise StartError(
            "--shards starts local servers; your own cluster is named by SCENETRAIL_CLICKHOUSE_CLUSTER\n"
            "--shards 只用于本机服务；自有集群请设置 SCENETRAIL_CLICKHOUSE_CLUSTER"
        )
    data_dir = options.data_dir.expanduser().resolve()
    with _folder(data_dir):
        if (there := _shards_in(data_dir)) > options.shards:
            raise StartError(
                f"the data folder {data_dir} holds {there} shards; use --shards {there}\n"
                f"数据目录 {data_dir} 中有 {there} 个分片，请使用 --shards {there}"
            )
        _raise_open_files()
        credentials = keys.first_credentials(
            data_dir, access.path_of(data_dir), time.time_ns() // 1_000_000
        )
        try:
            plan = _plan(options, data_dir)
        except (PortError, AddressError) as error:
            raise StartError(str(error)) from error
        return asyncio.run(_serve(options, plan, data_dir, credentials))


class Plan(Struct, frozen=True):
    """Ports and addresses, fixed before anything starts and kept over every restart of a child."""

    collector_port: int
    query_port: int
    writer_url: str
    reader_url: str
    # Empty: what people change through the query API is refused there.
    editor_url: str
    # Empty: ClickHouse is somebody else's. Several: the shards of one cluster.
    local: tuple[LocalServer, ...]
    # Name of the cluster in the servers' configuration; empty for one server.
    cluster: str


def _plan(options: Options, data_dir: Path) -> Plan:
    """Choose ports and addresses. Errors: PortError, AddressError."""
    wishes = [
        PortWish("collector", "--collector-port", options.host, options.collector_port),
        PortWish("query API", "--query-port", options.host, options.query_port),
    ]
    if options.clickhouse_url:
        writer_url = with_database(options.clickhouse_url)
        reader_url = with_database(options.clickhouse_reader_url or options.clickhouse_url)
        if not options.clickhouse_reader_url:
            log.warning(
                "no_reader",
                why="queries run with the writer's rights; give --clickhouse-reader-url "
                "/ 查询将使用写账号的权限，建议提供 --clickhouse-reader-url",
            )
        editor_url = options.clickhouse_editor_url and with_database(options.clickhouse_editor_url)
        collector_port, query_port = pick_ports(wishes)
        cluster = settings.from_env().clickhouse_cluster
        return Plan(collector_port, query_port, writer_url, reader_url, editor_url, (), cluster)
    for shard in range(options.shards):
        port = options.clickhouse_port if shard == 0 else 0
        wishes += [
            PortWish("ClickHouse", "--clickhouse-port", "127.0.0.1", port),
            PortWish("ClickHouse (native)", "--clickhouse-port", "127.0.0.1", 0),
        ]
    collector_port, query_port, *ports = pick_ports(wishes)
    http_ports, tcp_ports = ports[::2], ports[1::2]
    clusters = {LOCAL_CLUSTER: tcp_ports} if options.shards > 1 else {}
    servers = tuple(
        prepare(_shard_folder(data_dir, shard), http_port, tcp_port, clusters)
        for shard, (http_port, tcp_port) in enumerate(zip(http_ports, tcp_ports, strict=True))
    )
    writer_url, reader_url, editor_url = (
        ",".join(server.url(user) for server in servers) for user in ("writer", "reader", "editor")
    )
    cluster = LOCAL_CLUSTER if clusters else ""
    return Plan(collector_port, query_port, writer_url, reader_url, editor_url, servers, cluster)


def _shard_folder(data_dir: Path, shard: int) -> Path:
    """Folder of a local server; the first is that of a server that stands alone."""
    return data_dir / ("clickhouse" if shard == 0 else f"clickhouse-{shard + 1}")


def _shards_in(data_dir: Path) -> int:
    """How many local servers the folder has tables of."""
    shards = 1
    while _shard_folder(data_dir, shards).is_dir():
        shards += 1
    return shards


async def _serve(options: Options, plan: Plan, data_dir: Path, credentials: Credentials) -> int:
    stop = asyncio.Event()
    supervisor = Supervisor()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("hurrying", why="second signal / 再次收到信号，立即停止")
            supervisor.hurry()
        else:
            log.info("stopping", why="signal; once more to hurry / 正在停止，再按一次立即停止")
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)

    starting = asyncio.create_task(_start(options, plan, data_dir, credentials, supervisor))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            ready = starting.result()
            publish(data_dir, ready)
            print(f"READY {ready.json()}", flush=True)
            await stop.wait()
    except ChildNotReadyError as error:
        log.error("not_started", error=str(error))
        return 1
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        withdraw(data_dir)
        await supervisor.stop()
    log.info("stopped")
    return 0


async def _start(
    options: Options, plan: Plan, data_dir: Path, credentials: Credentials, supervisor: Supervisor
) -> Ready:
    """Start the parts, each when those it needs can serve."""
    servers = _clickhouse(plan.local, data_dir)
    for server in servers:
        supervisor.start(server)
    await asyncio.gather(*(supervisor.wait_ready(server.name) for server in servers))
    await _migrate(plan.writer_url, plan.cluster)

    access_path = access.path_of(data_dir)
    shared = {
        "SCENETRAIL_DATA_DIR": str(data_dir),
        "SCENETRAIL_ACCESS_FILE": str(access_path),
    }
    collector_url = http_url(options.host, plan.collector_port)
    query_url = http_url(options.host, plan.query_port)
    supervisor.start(
        Child(
            name="collector",
            argv=[sys.executable, "-m", "collector"],
            env={
                **shared,
                "SCENETRAIL_COLLECTOR_HOST": options.host,
                "SCENETRAIL_COLLECTOR_PORT": str(plan.collector_port),
                "SCENETRAIL_WORKERS": str(options.workers),
                "SCENETRAIL_CLICKHOUSE_URL": plan.writer_url,
            },
            stop_phase=0,
            stop_deadline_s=STOP_DEADLINE_S,
            hurry_deadline_s=COLLECTOR_HURRY_DEADLINE_S,
            is_ready=lambda: answers_200(f"{collector_url}/readyz"),
        )
    )
    supervisor.start(
        Child(
            name="query_api",
            argv=[sys.executable, "-m", "query_api"],
            env={
                **shared,
                "SCENETRAIL_QUERY_HOST": options.host,
                "SCENETRAIL_QUERY_PORT": str(plan.query_port),
                "SCENETRAIL_CLICKHOUSE_READER_URL": plan.reader_url,
                "SCENETRAIL_CLICKHOUSE_EDITOR_URL": plan.editor_url,
                "SCENETRAIL_QUERY_COLLECTOR_URL": collector_url,
            },
            stop_phase=1,
            stop_deadline_s=STOP_DEADLINE_S,
            is_ready=lambda: answers_200(f"{query_url}/readyz"),
        )
    )
    await asyncio.gather(supervisor.wait_ready("collector"), supervisor.wait_ready("query_api"))
    return Ready(
        collector_url=collector_url,
        query_url=query_url,
        clickhouse_url=plan.writer_url.partition(",")[0],
        clickhouse_reader_url=plan.reader_url.partition(",")[0],
        clickhouse_editor_url=plan.editor_url.partition(",")[0],
        clickhouse_urls=plan.writer_url,
        write_key=credentials.write_key,
        read_token=credentials.read_token,
        app_id=credentials.app_id,
        project=credentials.project,
        data_dir=str(data_dir),
        pid=os.getpid(),
    )


def _clickhouse(servers: tuple[LocalServer, ...], data_dir: Path) -> list[Child]:
    return [
        Child(
            name=Path(server.folder).name,
            argv=[sys.executable, "-m", "collector.local_clickhouse", server.folder],
            stop_phase=2,
            stop_deadline_s=STOP_DEADLINE_S,
            is_ready=partial(answers_200, f"http://127.0.0.1:{server.http_port}/ping"),
            log_path=data_dir / f"{Path(server.folder).name}.log",
        )
        for server in servers
    ]


async def _migrate(writer_url: str, cluster: str) -> None:
    """
    Bring the schema up to date; wait while ClickHouse does not answer.

    Errors: ChildNotReadyError naming ClickHouse's own reason.
    """
    # Here, so that `scenetrail up --help` and a wrong option answer at once.
    from clickhouse_connect.driver.exceptions import (  # noqa: PLC0415
        ClickHouseError,
        OperationalError,
    )

    from collector.migrate import MigrationChangedError, migrate  # noqa: PLC0415
    from collector.nodes import ClusterError  # noqa: PLC0415

    deadline = time.monotonic() + MIGRATION_WAIT_S
    while True:
        try:
            applied = await _in_daemon_thread(lambda: migrate(writer_url, cluster))
        except OperationalError as error:
            # Every statement can be repeated: also when ClickHouse died half-way.
            if time.monotonic() > deadline:
                raise ChildNotReadyError(f"ClickHouse does not answer: {error}") from error
            log.warning("waiting_for_clickhouse", error=str(error).splitlines()[0])
            await asyncio.sleep(1)
        except ClickHouseError as error:
            raise ChildNotReadyError(f"the migrations failed: {error}") from error
        except ClusterError as error:
            raise ChildNotReadyError(str(error)) from error
        except MigrationChangedError as error:
            raise ChildNotReadyError(
                f"migration {error} was applied with other content; this program does not match "
                "the data folder / 数据目录由不同版本创建"
            ) from error
        else:
            log.info("schema_up_to_date", applied=applied)
            return


async def _in_daemon_thread(work: Callable[[], T]) -> T:
    """
    Run blocking work in a thread that does not keep the process alive.

    Unlike ``asyncio.to_thread``, which would make Ctrl-C wait for a ClickHouse that does not answer.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if outcome.done():  # cancelled meanwhile
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast("T", value))

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except Exception as caught:  # noqa: BLE001 (handed over, not swallowed)
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True).start()
    return await outcome


async def answers_200(url: str) -> bool:
    """
    Ask for ``url`` (plain HTTP) and tell whether the status is 200. Errors: OSError.

    Not through urllib: that would obey ``http_proxy``, also for this machine.
    """
    parts = urlsplit(url)
    async with asyncio.timeout(HTTP_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
            writer.write(f"{head}\r\n".encode())
            status = (await reader.readline()).split(maxsplit=2)
            await reader.read()
        finally:
            writer.close()
    return len(status) > 1 and status[1] == b"200"


@contextlib.contextmanager
def _folder(data_dir: Path) -> Iterator[None]:
    """Make the folder and hold it for this process. Errors: StartError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(
            f"cannot use the data folder {data_dir}: {error.strerror}. Choose another with "
            f"--data-dir DIR\n无法使用数据目录 {data_dir}，请用 --data-dir DIR 指定其他目录"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
            raise StartError(
                f"the data folder {data_dir} is in use by another scenetrail (process {holder}). "
                "Stop that one, or choose another folder with --data-dir DIR\n"
                f"数据目录 {data_dir} 正被另一个 scenetrail（进程 {holder}）使用。"
                "请先停止它，或用 --data-dir DIR 指定其他目录"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _raise_open_files() -> None:
    """Allow this process and its children as many open files as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
