"""
What the collector is compared with: servers to start, and how each is sent the same events.

Each rival is a context manager that yields a Target. ClickHouse itself gets the events as JSON
lines, since it knows no envelope: the ids of the envelope stand in every line. Called by
``compare``.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.driver import ReadAnswer
from loadtest.generate import FlatWorkload
from loadtest.product import stop
from loadtest.send import Target
from sdk_spec import BatchResponse

_START_LIMIT_S = 60.0
_NGINX_CONFIG = """\
load_module modules/ngx_http_echo_module.so;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{ worker_connections 4096; }}
http {{
    log_format body escape=json '$msec $request_body';
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port};
        client_body_buffer_size 256k;
        client_max_body_size 8m;
        access_log "{folder}/events.log" body buffer=1m flush=1s;
        location / {{ echo_read_request_body; echo ok; }}
    }}
}}
"""
_INFLUXDB_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[logging]
  level = "error"
  suppress-logo = true
[meta]
  dir = "{folder}/meta"
  logging-enabled = false
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  wal-fsync-delay = "0s"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""
_NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")


def count_requests(batch: int) -> ReadAnswer:
    """Read the answer of a server that names no fates: 200 means that all were taken."""
    fate = BatchResponse("", batch, 0, 0, [])

    def read_answer(body: bytes) -> BatchResponse:
        del body
        return fate

    return read_answer


def has_nginx() -> bool:
    """Tell whether nginx with its echo module is installed (Debian: nginx-light, libnginx-mod-http-echo)."""
    return shutil.which("nginx") is not None and _NGINX_MODULE.exists()


@contextmanager
def bare_server(mode: str) -> Iterator[str]:
    """Run a bare aiohttp server; yields the address of its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "loadtest.bare_server", str(port), mode]
    with serving(command, port):
        yield f"http://127.0.0.1:{port}/v1/events"


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Run nginx that writes bodies to a buffered log: fast, and nothing is durable at the answer."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(folder=folder, port=port))
    command = ["nginx", "-c", str(config), "-e", str(folder / "error.log"), "-g", "daemon off;"]
    with serving(command, port):
        yield f"http://127.0.0.1:{port}/v1/events"


def has_influxdb() -> bool:
    """Tell whether InfluxDB is installed (Debian: influxdb, 1.6)."""
    return shutil.which("influxd") is not None


@contextmanager
def influxdb(folder: Path) -> Iterator[str]:
    """Run InfluxDB with one fsync a request: durable at the answer."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "influxdb.conf"
    config.write_text(_INFLUXDB_CONFIG.format(folder=folder, port=port, rpc_port=free_port()))
    with serving(["influxd", "-config", str(config)], port):
        created = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_LIMIT_S)
        created.request("POST", "/query?q=CREATE%20DATABASE%20load")
        if created.getresponse().status != 200:
            raise OSError("InfluxDB did not make a database")
        created.close()
        yield f"http://127.0.0.1:{port}/write?db=load&precision=ms"


class PointsWorkload(FlatWorkload):
    """
    The same events in InfluxDB's line protocol: name, scene and page as tags, everything else as fields.

    Two events of one millisecond with the same tags are one point there; both are in its log on disk all the same.
    """

    def _template(self, random: Random) -> bytes:
        envelope = msgspec.json.decode(super()._template(random))
        ids = {name: envelope[name] for name in ("anonymous_id", "openid")}
        return b"\n".join(_point(ids, event) for event in envelope["events"])


def _point(ids: dict[str, str], event: dict[str, Any]) -> bytes:
    tags = "".join(f",{name}={event[name]}" for name in ("event", "scene", "page"))
    texts = {**ids, **{name: event[name] for name in ("event_id", "session_id", "page_query")}}
    fields = [f"{name}={_field(value)}" for name, value in {**texts, **event["properties"]}.items()]
    return f"events{tags} {','.join(fields)},seq={event['seq']}i {event['occurred_at']}".encode()


def _field(value: str | float | bool) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def clickhouse_target(clickhouse: ClickHouse, app_id: str, *, is_async: bool, batch: int) -> Target:
    """Post straight into a plain table of ClickHouse, durable at the answer."""
    clickhouse.command(load_sql("rivals.create_plain_events"))
    settings: dict[str, object] = {"input_format_json_read_objects_as_strings": 1}
    if is_async:
        settings |= {"async_insert": 1, "wait_for_async_insert": 1}
    else:
        settings |= {"async_insert": 0}
    return Target(
        clickhouse.insert_url("plain_events", **settings),
        app_id,
        clickhouse.headers,
        read_answer=count_requests(batch),
    )


class LinesWorkload(FlatWorkload):
    """The same events as JSON lines."""

    def _template(self, random: Random) -> bytes:
        envelope = msgspec.json.decode(super()._template(random))
        ids = {name: envelope[name] for name in ("app_id", "platform", "anonymous_id", "openid")}
        return b"\n".join(msgspec.json.encode(ids | event) for event in envelope["events"])


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int) -> Iterator[int]:
    """Run a server for the block; yields its process id. Errors: OSError when it does not listen in time."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own commands
    try:
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield child.pid
    finally:
        stop(child)
