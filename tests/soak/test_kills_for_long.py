"""The fifty kills again and again, each round with another seed, for SCENETRAIL_SOAK_MINUTES (10). Run by `make soak`."""

import os
import time
from pathlib import Path

from collector.migrate import migrate
from tests.faults.clickhouse_proxy import Proxy
from tests.faults.client import Load, make_batches, seeded, sending
from tests.faults.collector_process import System
from tests.faults.test_kills import fifty_kills
from tests.waiting import until


def test_kills_until_the_time_is_over(tmp_path: Path) -> None:
    minutes = float(os.environ.get("SCENETRAIL_SOAK_MINUTES", "10"))
    end = time.monotonic() + minutes * 60
    rounds = 0
    while time.monotonic() < end or not rounds:
        rounds += 1
        system = System(tmp_path / f"round-{rounds}", workers=3)
        try:
            fifty_kills(system.start(), seed=1_000 + rounds)
        finally:
            system.end()
    print(f"\n{rounds} rounds of 50 kills in {minutes:g} minutes")


def test_answers_after_thirty_seconds(tmp_path: Path) -> None:
    """Every insert is done at once and answered 30 s later, with the settings of production."""
    system = System(tmp_path / "slow", workers=2, insert_timeout_s=300, flush_interval_ms=500)
    try:
        system.clickhouse.start()
        migrate(system.clickhouse.url)
        with Proxy(system.clickhouse.url) as proxy:
            proxy.delay_s = 30
            proxy.decide = lambda query: "delay" if "INSERT INTO" in query else "pass"
            system.collector.settings["clickhouse_url"] = proxy.url
            system.collector.start()
            load = Load(system.collector.port, make_batches("e", 20_000, seeded(2))).start()
            load.finish()
            system.wait_stored(20_000, 600)
            assert set(load.statuses) == {200}
            assert system.collector.metric('scenetrail_inserts_total{result="failed"') == 0
            assert set(system.event_ids()) == load.accepted
            print(f"\nanswers after 30 s: {proxy.treated}, accepted 20000, found 20000")
            system.collector.kill()
    finally:
        system.end()


def test_clickhouse_away_for_minutes(tmp_path: Path) -> None:
    """Two minutes without ClickHouse under load, then everything is stored."""
    system = System(tmp_path / "away", workers=2)
    try:
        system.start()
        load = Load(system.collector.port, make_batches("e", 400_000, seeded(1)), pause_s=0.1)
        with sending(load):
            until(lambda: len(load.accepted) > 10_000, "under load")
            system.clickhouse.kill()
            time.sleep(120)
            system.clickhouse.start()
            load.finish(600)
        system.wait_stored(400_000, 600)
        assert set(system.event_ids()) == load.accepted
    finally:
        system.end()
