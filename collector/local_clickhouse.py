"""
One local ClickHouse server as a child process: the only file that knows how it is launched.

``prepare`` writes the configuration into a folder; ``python -m collector.local_clickhouse FOLDER``
then serves from it until SIGTERM. An official ``clickhouse`` binary on PATH is preferred; without
one the engine inside the ``chdb-core`` wheel is used, whose ``clickhouse-local`` part can listen on
HTTP and TCP (documented statements ``SYSTEM START LISTEN``). ``_chdb`` is a private name of that
wheel: its version is pinned in pyproject.toml.

Three users exist: ``writer`` with every right, ``reader`` with SELECT on our database only, ``editor``
with that and INSERT on ``EDITABLE``. All have passwords.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from collector.clickhouse_urls import DATABASE
from collector.cluster import COPIES, KEEPS_COPIES, LOCAL
from collector.file_lock import lock_within
from collector.processes import die_with_parent, die_with_supervisor

EDITABLE = (
    "identity_unbindings",
    "segments",
    "segment_users",
    "segment_snapshots",
    "qr_codes",
    "costs",
    "messages",
    "dead_letters",
)
"""Tables that people change through the query API; the grants of the user ``editor``."""
_PASSWORD_BYTES = 24
# A server that was killed needs a moment to be gone; two on one folder would damage its tables.
_LOCK_WAIT_S = 15.0


class LocalServer(msgspec.Struct, frozen=True):
    """
    Where a prepared server will listen and how to log in.

    Units: ports are TCP ports on 127.0.0.1.
    """

    folder: str
    http_port: int
    tcp_port: int
    writer_password: str
    reader_password: str
    editor_password: str

    def url(self, user: str) -> str:
        """Address with credentials for ``writer``, ``reader`` or ``editor``."""
        password = {
            "writer": self.writer_password,
            "reader": self.reader_password,
            "editor": self.editor_password,
        }[user]
        return f"http://{user}:{password}@127.0.0.1:{self.http_port}/{DATABASE}"


def _secret(folder: Path, name: str) -> str:
    """Read the secret ``name``, made on first use and kept 0600: a restart has the same one."""
    path = folder / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(_PASSWORD_BYTES).hex())
    return path.read_text().strip()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remote_servers(clusters: Mapping[str, Sequence[int]], secret: str) -> str:
    """Each cluster with one server a shard, and beside it the same servers as copies of one another."""
    found = ""
    # With a secret a query reaches the other servers with the rights of the user who asked.
    head = f"<secret>{secret}</secret>"
    for name, ports in clusters.items():
        replicas = [
            f"<replica><host>127.0.0.1</host><port>{port}</port></replica>" for port in ports
        ]
        shards = "".join(f"<shard>{replica}</shard>" for replica in replicas)
        copies = (
            f"<shard><internal_replication>false</internal_replication>{''.join(replicas)}</shard>"
        )
        found += f"<{name}>{head}{shards}</{name}>"
        found += f"<{name}{KEEPS_COPIES}>{head}{copies}</{name}{KEEPS_COPIES}>"
    return f"<remote_servers>{found}</remote_servers>" if found else ""


def prepare(
    folder: Path,
    http_port: int,
    tcp_port: int,
    clusters: Mapping[str, Sequence[int]] | None = None,
) -> LocalServer:
    """
    Write ``config.xml`` and ``users.xml`` into ``folder`` and return how to reach the server.

    Args:
        folder: kept between runs; holds the tables. One server at a time.
        http_port: HTTP port on 127.0.0.1.
        tcp_port: native port on 127.0.0.1.
        clusters: name → native ports of its servers, one a shard; none for a server that stands alone.
            The folders of one cluster are neighbours, so that its servers share their passwords.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = LocalServer(
        folder=str(folder),
        http_port=http_port,
        tcp_port=tcp_port,
        writer_password=_secret(folder.parent, "clickhouse-writer.secret"),
        reader_password=_secret(folder.parent, "clickhouse-reader.secret"),
        editor_password=_secret(folder.parent, "clickhouse-editor.secret"),
    )
    cluster_secret = _secret(folder.parent, "clickhouse-cluster.secret") if clusters else ""
    remote_servers = _remote_servers(clusters or {}, cluster_secret)
    inserts = "".join(
        f"<query>GRANT INSERT ON {DATABASE}.{table}{suffix}</query>"
        for table in EDITABLE
        for suffix in ("", COPIES, LOCAL)
    )
    store, temporary = (escape(str(folder / name)) for name in ("store", "tmp"))
    _write_private(
        folder / "config.xml",
        f"""<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <path>{store}/</path>
  <tmp_path>{temporary}/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <timezone>UTC</timezone>
  <logger><level>warning</level><console>1</console></logger>
  <mark_cache_size>268435456</mark_cache_size>
  <keep_alive_timeout>60</keep_alive_timeout>
  <backups><allowed_path>{escape(str(folder / "backups"))}/</allowed_path></backups>
  {remote_servers}
</clickhouse>
""",
    )
    # A query's values are form fields: a filter of 10,000 texts passes the default of 128 KiB.
    # readonly=2: a reader may choose settings, but not past these limits.
    _write_private(
        folder / "users.xml",
        f"""<clickhouse>
  <profiles>
    <default><http_max_field_value_size>16777216</http_max_field_value_size></default>
    <reader>
      <readonly>2</readonly>
      <constraints>
        <max_execution_time><min>1</min><max>300</max></max_execution_time>
        <max_memory_usage><min>1</min><max>17179869184</max></max_memory_usage>
        <max_result_rows><max>10000000</max></max_result_rows>
      </constraints>
    </reader>
    <editor>
      <constraints>
        <max_execution_time><min>1</min><max>300</max></max_execution_time>
        <max_memory_usage><min>1</min><max>17179869184</max></max_memory_usage>
      </constraints>
    </editor>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/><networks><ip>::1</ip></networks><profile>default</profile><quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT SELECT ON system.numbers</query>
      </grants>
    </default>
    <writer>
      <password_sha256_hex>{_sha256(server.writer_password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <access_management>1</access_management>
    </writer>
    <reader>
      <password_sha256_hex>{_sha256(server.reader_password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>reader</profile><quota>default</quota>
      <grants>
        <query>GRANT SELECT ON {DATABASE}.*</query>
        <query>GRANT SELECT(query_id, is_initial_query, read_rows, total_rows_approx) ON system.processes</query>
      </grants>
    </reader>
    <editor>
      <password_sha256_hex>{_sha256(server.editor_password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>editor</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON {DATABASE}.*</query>{inserts}</grants>
    </editor>
  </users>
</clickhouse>
""",
    )
    return server


def _lock(folder: Path) -> None:
    """Hold the folder for this process, also over ``execv``; wait for a predecessor to be gone."""
    descriptor = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    if not lock_within(descriptor, _LOCK_WAIT_S):
        sys.exit(f"another ClickHouse serves from {folder}; stop it first")
    os.set_inheritable(descriptor, True)  # stays open until the process ends


def serve(folder: Path) -> None:
    """Serve from a prepared folder until SIGTERM. Returns only when the engine ends."""
    os.chdir(folder)
    _lock(folder)
    binary = shutil.which("clickhouse")
    if binary is not None:
        # Without a watchdog: it would be one more process, and the server its orphan when killed.
        os.environ["CLICKHOUSE_WATCHDOG_ENABLE"] = "0"
        os.execv(binary, [binary, "server", "--config-file", "config.xml"])  # noqa: S606
    # 555 MB library: only this process loads it.
    from chdb import _chdb  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it stops us in order.
    _chdb.query(  # type: ignore[attr-defined,unused-ignore] # defined in C
        # HTTP last: a server that answers there can be reached by the other shards as well.
        "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP;"
        "SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size=1,"
        " function_sleep_max_microseconds_per_block=0, max_execution_time=0 FORMAT Null",
        # TRICKY: this becomes the server's default format, which clickhouse-connect relies on.
        "TabSeparated",
    )


def main() -> None:
    """``python -m collector.local_clickhouse FOLDER [PARENT_PID]``."""
    if len(sys.argv) > 2:
        die_with_parent(int(sys.argv[2]))
    else:
        die_with_supervisor()
    serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
