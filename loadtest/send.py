"""
The `send` command: one run of the flat workload against a collector, measured and proved.

Called by ``__main__`` and ``compare``.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop
from msgspec import Struct, structs
from rich.console import Console

from loadtest.clickhouse import ClickHouse
from loadtest.connection import address_of
from loadtest.driver import Driver, Outcome, Plan, ReadAnswer, read_fate
from loadtest.generate import RUN_CHARS, FlatWorkload, compress
from loadtest.report import fact_table, machine, percentiles
from loadtest.verify import Verdict, verify

_SPEED_SAMPLE_S = 0.3


class Target(Struct, frozen=True):
    """A server that takes the workload. ``url`` is the whole address of the endpoint."""

    url: str
    app_id: str
    headers: dict[str, str]
    use_gzip: bool = False
    read_answer: ReadAnswer = read_fate


def run_name(now_ms: int) -> str:
    """Make a name for a run: event_ids are unique for ever, so each run needs its own."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    name = ""
    for _ in range(RUN_CHARS):
        now_ms, digit = divmod(now_ms, len(digits))
        name = digits[digit] + name
    return name


def run_load(target: Target, workload: FlatWorkload, plan: Plan) -> Outcome:
    """Send and return what became of it. Errors: OSError when nothing listens."""

    def make_body(number: int, now_ms: int) -> bytes:
        body = workload.body(number, now_ms)
        return compress(body) if target.use_gzip else body

    headers = {"Content-Type": "application/json", **target.headers}
    if target.use_gzip:
        headers["Content-Encoding"] = "gzip"

    async def drive() -> Outcome:
        driver = Driver(address_of(target.url, headers), make_body, plan, target.read_answer)
        return await driver.run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(drive())


def generator_events_per_s(workload: FlatWorkload, *, use_gzip: bool) -> float:
    """Measure how fast bodies are made, on one core, nothing sent."""
    started = time.perf_counter()
    bodies = 0
    while time.perf_counter() - started < _SPEED_SAMPLE_S:
        body = workload.body(bodies, 1_795_300_912_353)
        if use_gzip:
            compress(body)
        bodies += 1
    return bodies * workload.batch / (time.perf_counter() - started)


def figures(outcome: Outcome) -> dict[str, Any]:
    """Sum up an outcome in the names of the report."""
    errors = {str(status): n for status, n in sorted(outcome.statuses.items()) if status != 200}
    return {
        "events_per_s": round(outcome.events_per_s),
        "requests_per_s": round(outcome.requests / outcome.elapsed_s, 1)
        if outcome.elapsed_s
        else 0.0,
        **percentiles(outcome.latencies_ms),
        "elapsed_s": round(outcome.elapsed_s, 3),
        "requests": outcome.requests,
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected": outcome.rejected,
        "unanswered_bodies": len(outcome.unknown),
        "dropped_bodies": len(outcome.dropped),
        "other_statuses": errors,
        "sent_bytes": outcome.sent_bytes,
    }


def send(
    target: Target, workload: FlatWorkload, plan: Plan, verify_url: str, console: Console
) -> dict[str, Any]:
    """
    Run, prove, print a table, and return the report as JSON has it.

    Without ``verify_url`` nothing is proved and ``verdict`` is null.
    """
    speed = generator_events_per_s(workload, use_gzip=target.use_gzip)
    outcome = run_load(target, workload, plan)
    verdict: Verdict | None = None
    if verify_url:
        verdict = verify(
            ClickHouse(verify_url),
            app_id=workload.app_id,
            run=workload.run,
            batch=workload.batch,
            fates=outcome.fates,
            unknown=outcome.unknown,
        )
    summary = figures(outcome)
    loop = f"open, {plan.rate:,.0f} events/s" if plan.rate else "closed"
    shown = {
        "循环 loop": loop,
        "事件/秒 events/s": summary["events_per_s"],
        "请求/秒 requests/s": summary["requests_per_s"],
        "p50 ms": summary["p50_ms"],
        "p99 ms": summary["p99_ms"],
        "p99.9 ms": summary["p99_9_ms"],
        "接收 accepted": outcome.accepted,
        "重复 duplicates": outcome.duplicates,
        "拒绝 rejected": outcome.rejected,
        "未应答 unanswered bodies": len(outcome.unknown),
        "其他状态 other statuses": str(summary["other_statuses"] or "–"),
        "生成器单独 generator alone, events/s": speed,
    }
    console.print(fact_table(f"压测 Load  {target.url}  run {workload.run}", shown))
    if verdict is not None:
        console.print(fact_table("核对 Proof", _verdict_facts(verdict)))
    return {
        "run": workload.run,
        "plan": structs.asdict(plan),
        "gzip": target.use_gzip,
        "event_bytes": round(workload.event_bytes, 1),
        "generator_events_per_s": round(speed),
        **summary,
        "verdict": None if verdict is None else structs.asdict(verdict),
        "machine": machine(),
    }


def _verdict_facts(verdict: Verdict) -> dict[str, object]:
    facts: dict[str, object] = {
        "应有 expected events": verdict.expected,
        "已存 stored": verdict.stored,
        "丢失 lost": verdict.lost,
        "重复 doubled": verdict.doubled,
        "多出 unexpected": verdict.unexpected,
        "磁盘副本 copies hidden by FINAL": verdict.copies,
        "入库等待 stored after the last answer, s": verdict.stored_after_s,
        "结论 verdict": "恰好一次 exactly once" if verdict.is_exact else "不符 DIFFERENT",
    }
    if verdict.examples:
        facts["例 examples"] = "\n".join(verdict.examples)
    return facts
