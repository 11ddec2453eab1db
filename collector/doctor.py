"""
``scenetrail doctor``: checks what the collector and the query API need, and says what to do.

Called by ``commands``. Changes nothing. Each check is a function to findings; one that cannot be made is a problem with its
reason, never silence. Messages are in English and Chinese.
"""

from __future__ import annotations

import msgspec

from collector import doctor_clickhouse, doctor_machine, settings
from collector.findings import Finding, Setup
from collector.running import published

_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 (compared with, not bound to)


def examine(setup: Setup) -> list[Finding]:
    """Make every check, the quick local ones first."""
    setup = with_running_addresses(setup)
    findings = [
        doctor_machine.check_data_dir(setup),
        doctor_machine.check_disk(setup),
        doctor_machine.check_open_files(),
        doctor_machine.check_access_file(setup),
    ]
    findings += doctor_machine.check_settings(setup.data_dir)
    findings.append(doctor_machine.check_collector(setup.collector_url or _collector_of_settings()))
    return findings + doctor_clickhouse.check_clickhouse(setup)


def _collector_of_settings() -> str:
    """Where a collector with the settings of this environment listens."""
    try:
        config = settings.from_env()
    except ValueError:  # told by check_settings
        config = settings.Settings()
    host = config.collector_host if config.collector_host not in _ANY_ADDRESS else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{config.collector_port}"


def with_running_addresses(setup: Setup) -> Setup:
    """Fill in the addresses that a running ``scenetrail up`` on this data folder has published."""
    ready = None if setup.clickhouse_url else published(setup.data_dir)
    if ready is None:
        return setup
    return msgspec.structs.replace(
        setup,
        clickhouse_url=ready.clickhouse_urls,
        clickhouse_reader_url=setup.clickhouse_reader_url or ready.clickhouse_reader_url,
        clickhouse_editor_url=setup.clickhouse_editor_url or ready.clickhouse_editor_url,
        collector_url=setup.collector_url or ready.collector_url,
    )
