"""
The demo: serves a data folder, fills it with thirty days of life when it is new, shows two reports.

What a folder holds stands in its ``demo.json`` (mode 0600: it has write keys): written before the
first event, so that a load that was cut off is repeated with the same seed, days and event_ids
(each counts once); marked complete when every event can be queried. Called by ``__main__``.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from msgspec import Struct
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from loadtest import shop
from loadtest.clickhouse import ClickHouse, load_sql
from loadtest.life import DAYS, ZONE, Life
from loadtest.phones import Phones, Tally
from loadtest.product import Ports, Ready, make_app, name_app, private_write, running
from loadtest.query import QueryApi
from loadtest.report import funnel_table, retention_table, row_table

STATE_FILE = "demo.json"
LOG_FILE = "scenetrail.log"
SEED = 20_261_111
FUNNEL_STEPS = ("app_show", "product_view", "add_to_cart", "order_submit", "order_pay")
_VISIBLE_LIMIT_S = 120.0
_POLL_S = 0.2
_COHORTS_SHOWN = 14
_FLOWS_SHOWN = 8
_APP_NAMES = {
    "wechat": "山野小集 微信 / Shanye Grocer WeChat",
    "alipay": "山野小集 支付宝 / Shanye Grocer Alipay",
    "douyin": "山野小集 抖音 / Shanye Grocer Douyin",
}


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class State(Struct):
    """What a folder's demo is made of. ``apps`` and ``write_keys`` by platform and by app_id."""

    seed: int
    first_day: date
    scale: float
    apps: dict[str, str]
    write_keys: dict[str, str]
    is_complete: bool = False
    events: int = 0
    rejected: int = 0


class Options(Struct, frozen=True):
    """Of one call."""

    data_dir: Path
    keep_serving: bool = False
    scale: float = 1.0
    ports: Ports = Ports()
    workers: int | None = None


def run(options: Options, console: Console) -> None:
    """
    Serve, load if needed, show. Returns when done, or at Ctrl-C when it keeps serving.

    Errors: ProductError, DemoError, SendError, QueryError.
    """
    data_dir = options.data_dir.expanduser().resolve()
    started = time.monotonic()
    console.print(f"scenetrail  [dim]数据目录 data folder: {data_dir}[/]", highlight=False)
    log_path = data_dir / LOG_FILE
    with running(
        data_dir, ports=options.ports, log_path=log_path, workers=options.workers
    ) as serving:
        ready = serving.ready
        console.print(f"[dim]已启动 serving after {time.monotonic() - started:.1f} s[/]")
        state = _state_of(data_dir, ready, options.scale)
        if state.is_complete:
            console.print(f"[dim]沿用已有数据 the folder has its demo: {state.events:,} events[/]")
        else:
            _load(data_dir, ready, state, console)
        _show(ready, state, console)
        _say_how_to_go_on(ready, state, log_path, console)
        if options.keep_serving:
            console.print("服务运行中，按 Ctrl-C 停止。 Serving until Ctrl-C.", style="bold green")
            serving.wait()


def _state_of(data_dir: Path, ready: Ready, scale: float) -> State:
    """Return the folder's demo, begun now if it has none."""
    path = data_dir / STATE_FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=State)
    today = datetime.now(ZONE).date()
    apps = {"wechat": ready.app_id, **other_app_ids(ready.app_id)}
    keys = {ready.app_id: ready.write_key}
    name_app(data_dir, ready.app_id, _APP_NAMES["wechat"])
    for platform, app_id in apps.items():
        if app_id not in keys:
            keys[app_id] = make_app(
                data_dir,
                app_id=app_id,
                project=ready.project,
                platform=platform,
                name=_APP_NAMES[platform],
            )
    state = State(SEED, today - timedelta(days=DAYS), scale, apps, keys)
    _save(data_dir, state)
    return state


def other_app_ids(app_id: str) -> dict[str, str]:
    """Make app ids in the forms of Alipay and Douyin, always the same for one WeChat app."""
    digest = hashlib.sha256(app_id.encode()).hexdigest()
    return {"alipay": f"2021{int(digest[:12], 16) % 10**12:012d}", "douyin": f"tt{digest[12:28]}"}


def _save(data_dir: Path, state: State) -> None:
    text = msgspec.json.format(msgspec.json.encode(state), indent=1)
    private_write(data_dir / STATE_FILE, text)


def _load(data_dir: Path, ready: Ready, state: State, console: Console) -> None:
    """Play the thirty days and wait until every event can be queried."""
    life = Life(seed=state.seed, first_day=state.first_day, app_ids=state.apps, scale=state.scale)
    phones = Phones(ready.collector_url, state.write_keys)
    started = time.monotonic()
    with Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=40),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} 事件 events"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("第 1 天 day 1", total=DAYS, events=0)
        seen = itertools.count(1)

        def advance(day: int, events: int) -> None:
            del events
            if next(seen) % 100 == 0:
                progress.update(
                    task,
                    completed=day,
                    description=f"第 {day + 1} 天 day {day + 1}",
                    events=phones.tally.events,
                )

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tally = runner.run(phones.send(life.batches(), advance))
        progress.update(task, completed=DAYS, description="入库 storing", events=tally.events)
        expected = tally.events - tally.rejected
        _wait_visible(ready, state, expected)
    seconds = time.monotonic() - started
    state.events = expected
    state.rejected = tally.rejected
    state.is_complete = True
    _save(data_dir, state)
    console.print(_summary(tally, seconds), highlight=False)


def _summary(tally: Tally, seconds: float) -> str:
    return (
        f"已发送 sent [bold]{tally.events:,}[/] 事件 events, {tally.requests:,} 请求 requests, "
        f"{seconds:.1f} s: 接收 accepted {tally.accepted:,}, 重复 duplicates {tally.duplicates:,}, "
        f"拒绝 rejected {tally.rejected:,}"
    )


def _wait_visible(ready: Ready, state: State, events: int) -> None:
    """Wait until so many different events are stored. Errors: DemoError."""
    clickhouse = ClickHouse(ready.clickhouse_url)
    sql = load_sql("demo.count_events")
    last_news = time.monotonic()
    seen = -1
    while True:
        count = clickhouse.rows(sql, app_ids=sql_array(state.apps.values()))[0]["events"]
        if count >= events:
            return
        if count != seen:
            seen, last_news = count, time.monotonic()
        if time.monotonic() - last_news > _VISIBLE_LIMIT_S:
            raise DemoError(f"only {count:,} of {events:,} accepted events were stored (入库停滞)")
        time.sleep(_POLL_S)


def sql_array(texts: Any) -> str:  # noqa: ANN401 - any iterable of str
    """Write texts as a parameter of type Array(String)."""
    quoted = ["'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in texts]
    return f"[{','.join(quoted)}]"


def _show(ready: Ready, state: State, console: Console) -> None:
    """Print a funnel and a retention table from the query API."""
    api = QueryApi(ready.query_url, ready.read_token)
    last_day = state.first_day + timedelta(days=DAYS - 1)
    common = {
        "app_ids": list(state.apps.values()),
        "time_range": {"from": state.first_day.isoformat(), "to": last_day.isoformat()},
        "timezone": ZONE.key,
    }
    days = f"{state.first_day} – {last_day}"
    funnel = _timed(lambda: api.report("funnel", common | funnel_request()))
    console.print()
    console.print(
        funnel_table(
            funnel[0]["result"],
            f"购物漏斗 Shopping funnel  {days}, 1 天内 within a day  ({funnel[1]} ms)",
            console.width,
        )
    )
    retention = _timed(lambda: api.report("retention", common | retention_request()))
    console.print()
    console.print(
        retention_table(
            retention[0]["result"],
            f"新用户留存 Retention of new users, +n 天后 days later  ({retention[1]} ms)",
            last=_COHORTS_SHOWN,
        )
    )
    console.print()
    for table in _people_tables(api, common):
        console.print(table)


def _people_tables(api: QueryApi, common: dict[str, Any]) -> Iterator[Table]:
    """One person on all platforms, the flow between layers, the cards that were shared by depth."""
    everywhere = {
        "relation": "and",
        "rules": [
            {"did": {"filter": {"field": "platform", "op": "eq", "values": [platform]}}}
            for platform in _APP_NAMES
        ],
    }
    found = api.report("users", common | {"rule": everywhere, "limit": 1})["result"]
    for person in found["users"]:
        yield row_table(
            f"跨平台的同一个人 One person on {len(_APP_NAMES)} platforms, of {found['total']:,}",
            [
                {"id": one["kind"], "app": one["app_id"], "value": one["id"]}
                for one in person["ids"]
            ],
        )
    layers = api.report("layers", common | {"tree": "group.v1"})["result"]
    yield row_table(
        "用户分层流转 Layers, first day → last day",
        [
            {
                "从 from": step["from"] or "尚未出现 not seen yet",
                "到 to": step["to"],
                "users": step["users"],
            }
            for step in sorted(layers["flow"], key=lambda step: -step["users"])[:_FLOWS_SHOWN]
        ],
    )
    share = api.report("share", common | {"by": [], "sharer_limit": 0})["result"]
    columns = ("depth", "shares", "opens", "openers", "new_users")
    rows = [{name: row[name] for name in columns} for row in share["depths"]]
    if rows:
        yield row_table("分享裂变 Shared cards by depth", rows)


def funnel_request() -> dict[str, Any]:
    """The shopping funnel within a day."""
    return {
        "steps": [{"event": name} for name in FUNNEL_STEPS],
        "window": {"value": 1, "unit": "day"},
        "order": "ordered",
    }


def retention_request() -> dict[str, Any]:
    """Who comes back on the n-th day after the first visit ever."""
    return {
        "initial": {"event": "app_show"},
        "returning": {"event": "app_show"},
        "unit": "day",
        "periods": 7,
        "mode": "on",
        "cohort": "first",
    }


def _timed(ask: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], int]:
    started = time.perf_counter()
    answer = ask()
    return answer, round((time.perf_counter() - started) * 1000)


def _say_how_to_go_on(ready: Ready, state: State, log_path: Path, console: Console) -> None:
    last_day = state.first_day + timedelta(days=DAYS - 1)
    request = {
        "app_ids": [state.apps["wechat"]],
        "time_range": {"from": state.first_day.isoformat(), "to": last_day.isoformat()},
        "steps": [{"event": "product_view"}, {"event": "order_pay"}],
        "breakdown": ["scene_group"],
    }
    lines = [
        "",
        f"[bold]控制台与查询 Console and queries[/]  {ready.query_url}",
        f"[bold]采集地址 Collector[/]              {ready.collector_url}/v1/events",
        f"[bold]读取令牌 Read token[/]             {ready.read_token}",
    ]
    for platform, app_id in state.apps.items():
        lines.append(
            f"[bold]{shop.PLATFORM_NAMES[platform]} {platform}[/]  app_id {app_id}  "
            f"写入密钥 write key {state.write_keys[app_id]}"
        )
    lines += [f"[bold]日志 Log[/] {log_path}", "", "[bold]试一试 Try[/]"]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    body = msgspec.json.encode(request).decode()
    console.print(
        f"curl -s {ready.query_url}/v1/query/funnel -H 'Authorization: Bearer {ready.read_token}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
