"""
One local ClickHouse server as a child process: the only file that knows how it is launched.

``prepare`` writes the configuration into a folder; ``python -m collector.local_clickhouse FOLDER`` then serves from it
until SIGTERM. An official ``clickhouse`` binary on PATH is preferred; without one the engine inside the ``chdb-core``
wheel is used, whose ``clickhouse-local`` part can listen on HTTP and TCP (documented statements ``SYSTEM START LISTEN``).
``_chdb`` is a private name of that wheel: its version is pinned in pyproject.toml.

Two users exist: ``writer`` with every right, ``reader`` with SELECT on our database only. Both have passwords.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

import msgspec

from collector.processes import die_with_parent

DATABASE = "scenetrail"
_PASSWORD_BYTES = 24


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

    def url(self, user: str) -> str:
        """Address with credentials for ``writer`` or ``reader``."""
        password = self.writer_password if user == "writer" else self.reader_password
        return f"http://{user}:{password}@127.0.0.1:{self.http_port}/{DATABASE}"


def _secret(folder: Path, name: str) -> str:
    """Read the secret ``name``, made on first use. Kept 0600, so a restart logs in with the same password."""
    path = folder / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(_PASSWORD_BYTES).hex())
    return path.read_text().strip()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prepare(
    folder: Path, http_port: int, tcp_port: int, shard_tcp_ports: tuple[int, ...] = ()
) -> LocalServer:
    """
    Write ``config.xml`` and ``users.xml`` into ``folder`` and return how to reach the server.

    Args:
        folder: kept between runs; holds the tables. One server at a time.
        http_port: HTTP port on 127.0.0.1.
        tcp_port: native port on 127.0.0.1.
        shard_tcp_ports: native ports of all servers of a local cluster; empty for a single server.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = LocalServer(
        folder=str(folder),
        http_port=http_port,
        tcp_port=tcp_port,
        writer_password=_secret(folder.parent, "clickhouse-writer.secret"),
        reader_password=_secret(folder.parent, "clickhouse-reader.secret"),
    )
    shards = "".join(
        f"<shard><replica><host>127.0.0.1</host><port>{port}</port><user>writer</user>"
        f"<password>{server.writer_password}</password></replica></shard>"
        for port in shard_tcp_ports
    )
    cluster = (
        f"<remote_servers><scenetrail>{shards}</scenetrail></remote_servers>" if shards else ""
    )
    (folder / "config.xml").write_text(
        f"""<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <path>{folder}/store/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <timezone>UTC</timezone>
  <logger><level>warning</level><console>1</console></logger>
  <mark_cache_size>268435456</mark_cache_size>
  <keep_alive_timeout>60</keep_alive_timeout>
  {cluster}
</clickhouse>
"""
    )
    # readonly=2: a reader may choose settings, but not past these limits.
    (folder / "users.xml").write_text(
        f"""<clickhouse>
  <profiles>
    <default/>
    <reader>
      <readonly>2</readonly>
      <constraints>
        <max_execution_time><min>1</min><max>300</max></max_execution_time>
        <max_memory_usage><min>1</min><max>17179869184</max></max_memory_usage>
        <max_result_rows><max>10000000</max></max_result_rows>
      </constraints>
    </reader>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/><networks><ip>::1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.numbers</query></grants>
    </default>
    <writer>
      <password_sha256_hex>{_sha256(server.writer_password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <access_management>1</access_management>
    </writer>
    <reader>
      <password_sha256_hex>{_sha256(server.reader_password)}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>reader</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON {DATABASE}.*</query></grants>
    </reader>
  </users>
</clickhouse>
"""
    )
    return server


def serve(folder: Path) -> None:
    """Serve from a prepared folder until SIGTERM. Returns only when the engine ends."""
    os.chdir(folder)
    binary = shutil.which("clickhouse")
    if binary is not None:
        os.execv(binary, [binary, "server", "--config-file", "config.xml"])  # noqa: S606
    from chdb import _chdb  # 555 MB library: only this process loads it.

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it stops us in order.
    _chdb.query(  # type: ignore[attr-defined,unused-ignore] # defined in C
        "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP;"
        "SELECT sleepEachRow(1) FROM system.numbers SETTINGS max_block_size=1,"
        " function_sleep_max_microseconds_per_block=0, max_execution_time=0 FORMAT Null",
        # TRICKY: this becomes the server's default format, which clickhouse-connect relies on.
        "TabSeparated",
    )


def main() -> None:
    """``python -m collector.local_clickhouse FOLDER PARENT_PID``."""
    die_with_parent(int(sys.argv[2]) if len(sys.argv) > 2 else None, signal.SIGTERM)
    serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
