"""kill -9 at random moments under load: of a worker, all workers, the writer, ClickHouse, everything."""

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.client import Batch, Load, make_batch, make_event, now_ms, seeded, sending
from tests.faults.collector_process import System, kill_9
from tests.waiting import until

KILLS = {"a worker": 18, "all workers": 8, "the writer": 14, "ClickHouse": 6, "everything": 4}
WEEK_MS = 7 * 86_400_000


def test_fifty_kills_under_load_lose_and_double_nothing(
    make_system: Callable[..., System],
) -> None:
    fifty_kills(make_system(workers=3).start(), seed=50)


def fifty_kills(system: System, seed: int) -> None:
    """Kill by the plan, in an order and at moments drawn from the seed; then compare and stop."""
    rng = seeded(seed)
    plan = [victim for victim, times in KILLS.items() for _ in range(times)]
    rng.shuffle(plan)
    load = Load(system.collector.port, [], threads=4, seed=seed, again_ratio=1 / 3, pause_s=0.005)
    sent: set[str] = set()
    killed: Counter[str] = Counter()
    with sending(load):
        for victim in plan:
            for _ in range(12):
                batch = batch_over_weeks(len(sent), rng)
                sent.update(event["event_id"] for event in batch["events"])
                load.add(batch)
            # The moment of the kill: most batches of the round are on their way, and sometimes none.
            time.sleep(rng.random() * 0.4)
            killed[victim] += kill(system, victim, rng)
        system.start_again()
        load.finish()

    assert load.accepted == sent
    system.wait_stored(len(sent))
    found = system.event_ids()
    assert len(found) == len(sent)
    assert set(found) == sent
    assert killed == KILLS
    print(
        f"\n{sum(killed.values())} kills {dict(killed)}: accepted {len(load.accepted)}, found {len(found)};"
        f" {load.sent_again} batches sent again; answers {dict(load.statuses)}"
    )
    assert system.collector.stop() == 0
    assert "Traceback" not in system.collector.log.read_text()


def batch_over_weeks(first: int, rng: random.Random) -> Batch:
    """Events of three weeks: one insert makes several parts, and a kill may fall between them."""
    return make_batch(
        [
            make_event(f"k-{first + n}", rng, occurred_at=now_ms() - rng.randrange(3) * WEEK_MS)
            for n in range(rng.randint(1, 300))
        ],
        rng,
    )


def kill(system: System, victim: str, rng: random.Random) -> int:
    """Kill it, start again what has no parent that would, and return the number of kills."""
    if victim == "ClickHouse":
        system.clickhouse.kill()
        time.sleep(rng.random() * 0.3)
        system.clickhouse.spawn()
        return 1
    if victim == "everything":
        system.kill_all()
        system.start_again()
        return 1
    word = "writer_process" if victim == "the writer" else "collector.worker"
    found = until(lambda: system.collector.children(word), f"{victim} lives")
    if victim == "a worker" and found:
        found = [rng.choice(found)]
    for process in found:
        kill_9(process)
    return 1
