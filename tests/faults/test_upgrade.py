"""Upgrade without downtime: an old collector drains while a new one serves, behind a balancer that asks the next one."""

import threading
from collections.abc import Callable

from clickhouse_connect.driver.client import Client

from collector.spool_format import FILE_MAGIC
from tests.faults.client import make_batches, seeded, send_batch
from tests.faults.collector_process import Collector
from tests.waiting import until

MakeCollector = Callable[..., Collector]


def has_events(collector: Collector) -> bool:
    """Whether a segment of its spool has more than a header."""
    return any(path.stat().st_size > len(FILE_MAGIC) for path in collector.spool_files())


def test_every_batch_is_taken_at_once_while_collectors_take_turns(
    make_collector: MakeCollector, database: Client, rows: Callable[[], int]
) -> None:
    """The old one gets SIGTERM under load and empties its spool; what it has no time for, its next start stores."""
    old, new = make_collector(workers=1), make_collector(workers=1)
    old.start()
    serving = [old]  # as the balancer knows them, the one to ask first in front
    batches = make_batches("turn", 6_000, seeded(7), 40)
    taken: list[Collector] = []
    not_taken: list[int] = []

    def balance() -> None:
        for batch in batches:
            for one in tuple(serving):
                # As proxy_next_upstream in nginx.conf: the next one for no answer and for 503.
                status, _ = send_batch(one.port, batch)
                if status == 200:
                    taken.append(one)
                    break
            else:
                not_taken.append(status)

    sender = threading.Thread(target=balance)
    sender.start()
    until(lambda: taken or not sender.is_alive(), "the old one serves")
    new.start()
    serving.append(new)
    # The batch on its way may know the old one only; the one after it knows both.
    known = len(taken) + 2
    until(lambda: len(taken) >= max(known, 20) or not sender.is_alive(), "both serve")
    assert old.stop() == 0
    sender.join()
    while has_events(old):
        old.start()
        assert old.stop() == 0

    assert not_taken == []
    assert len(taken) == len(batches)
    until(lambda: rows() == 6_000, "all of it is stored")
    assert database.command("SELECT uniqExact(event_id) FROM events FINAL") == 6_000
    assert new.stop() == 0
