"""
``scenetrail query <report>``: asks a running query API and shows the answer as a table with bars, CSV or JSON.

Only reads arguments, asks ``client.py`` and lays out what came back; the command line of the collector finds it as an
entry point. Imports what is slow to import when it runs, so that ``scenetrail --help`` answers at once. Exit codes:
0 answered, 1 refused or not reached, 2 wrong use.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

if TYPE_CHECKING:
    from rich.table import Table

    from query_api.client import Client

DEFAULT_URL = "http://127.0.0.1:8720"
DEFAULT_DAYS = 30
DEFAULT_TIMEZONE = "Asia/Shanghai"
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_LENGTH = re.compile(r"(?P<value>[1-9][0-9]{0,8})(?P<unit>[smhd])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BAR_OF = ("users", "size", "events", "sessions", "entries", "active")
"""Columns that a bar may show, the first that a table has."""
_SHOWN: dict[str, tuple[str, ...]] = {
    "funnel": (
        *("step", "event", "users", "rate_from_previous", "rate_from_first", "dropped"),
        *("median_ms_from_previous", "average_ms_from_previous"),
    ),
    "scenes": (
        *("platform", "scene", "scene_name", "scene_group", "launches", "entries", "users"),
        *("new_users", "sessions", "bounce_rate", "median_stay_ms", "next_day_retention"),
    ),
}
"""Columns of a wide report that a terminal shows, after those of the breakdown; CSV has them all."""
_BAR_CELLS = 24
_PIPED_COLUMNS = 200
"""Width of a table when the output is no terminal."""
_WIDEST = 48
"""Cells of a terminal that a text may take; what is longer ends with …"""


def query(
    report: Annotated[str, typer.Argument(help="funnel, retention, events, scenes, … 报表名称")],
    url: Annotated[
        str, typer.Option(envvar="SCENETRAIL_QUERY_URL", help="Query API. 查询地址。")
    ] = DEFAULT_URL,
    token: Annotated[
        str,
        typer.Option(
            envvar="SCENETRAIL_READ_TOKEN",
            show_default=False,
            help="Read token; better in the environment than here. 读取令牌。",
        ),
    ] = "",
    first: Annotated[str, typer.Option("--from", help="First day. 起始日。")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, included. 结束日（含）。")] = "",
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=3660,
            help=f"Without --from: so many days up to --to ({DEFAULT_DAYS}). 最近天数。",
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help=f"IANA name; absent: {DEFAULT_TIMEZONE}. 时区。")
    ] = "",
    app: Annotated[list[str] | None, typer.Option(help="app_id, may repeat. 应用。")] = None,
    breakdown: Annotated[
        list[str] | None, typer.Option(help="Field, up to three times. 分组字段。")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="field=value; several must all hold. 筛选条件。"),
    ] = None,
    step: Annotated[
        list[str] | None, typer.Option(help="Funnel: an event, in order. 漏斗步骤。")
    ] = None,
    window: Annotated[str, typer.Option(help="Funnel: 30m, 1h, 7d. 窗口期。")] = "",
    initial: Annotated[str, typer.Option(help="Retention: first event. 初始事件。")] = "",
    returning: Annotated[str, typer.Option(help="Retention: later event. 回访事件。")] = "",
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="Events: event[:aggregate[:field]], such as order_pay:sum:properties.amount. 指标。"
        ),
    ] = None,
    body: Annotated[
        str, typer.Option(help="File with the request in JSON, - for standard input. 请求文件。")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any field of the request as name=JSON: --set 'order=\"any\"'. 其他字段。"
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV. 以 CSV 输出。")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Whole answer. 以 JSON 输出。")] = False,
) -> None:
    """
    Ask a report and print it with bars, as CSV or as JSON (查询报表).

    scenetrail query funnel --step app_show --step order_pay --window 7d

    --body gives the whole request; the other options add to it or replace its fields.
    """
    import urllib3  # noqa: PLC0415

    from query_api.client import REPORT_NAME, Client, QueryFailedError  # noqa: PLC0415

    if not token:
        _refuse("no read token: set SCENETRAIL_READ_TOKEN or give --token 请提供读取令牌", 2)
    if not REPORT_NAME.fullmatch(report):
        _refuse(f"{report}: not the name of a report, nor <report>/users", 2)
    if as_csv and as_json:
        _refuse("give either --csv or --json 二者只能选一", 2)
    asked = _read_body(body)
    if timezone:
        asked["timezone"] = timezone
    if first or last or days or "time_range" not in asked:
        zone = str(asked.get("timezone", DEFAULT_TIMEZONE))
        asked["time_range"] = _days(first, last, days or DEFAULT_DAYS, zone)
    if app:
        asked["app_ids"] = app
    if breakdown:
        asked["breakdown"] = breakdown
    if where:
        asked["filter"] = {"relation": "and", "conditions": [_condition(text) for text in where]}
    if step:
        asked["steps"] = [{"event": name} for name in step]
    if window:
        asked["window"] = _window(window)
    if initial or returning:
        asked["initial"] = {"event": initial or returning}
        asked["returning"] = {"event": returning or initial}
    if measure:
        asked["measures"] = [_measure(text) for text in measure]
    for text in set_ or []:
        name, value = _assigned(text)
        asked[name] = value
    try:
        client = Client(url, token)
    except ValueError as error:
        _refuse(str(error), 2)
    with client:
        try:
            if as_json:
                sys.stdout.write(
                    msgspec.json.format(msgspec.json.encode(client.query(report, asked))).decode()
                    + "\n"
                )
            elif as_csv:
                sys.stdout.write(client.csv(report, asked))
            else:
                _show(client, report, asked)
            sys.stdout.flush()  # who reads may be gone: then it ends here, without a word
        except QueryFailedError as error:
            _refuse(str(error), 1)
        except urllib3.exceptions.HTTPError as error:
            _refuse(f"{url} does not answer (无法连接): {error}", 1)


def _show(client: Client, report: str, asked: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415

    from query_api.client import Meta  # noqa: PLC0415

    console = Console(
        width=None
        if sys.stdout.isatty()
        else max(_PIPED_COLUMNS, shutil.get_terminal_size().columns)
    )
    found = client.table(report, asked)
    rows = found.to_pylist()
    meta = msgspec.json.decode(found.schema.metadata[b"meta"], type=Meta)
    if rows:
        console.print(table(report, rows, asked.get("breakdown", ()), console.width))
    else:
        console.print("没有数据 Nothing in this range.")
    console.print(
        f"数据截至 Data until {meta.data_complete_until or '–'} · {meta.elapsed_ms} ms · "
        f"读取 {meta.rows_read:,} 行 rows read",
        style="dim",
    )
    for warned in meta.warnings:
        console.print(f"注意 Note: {warned.message}", style="yellow", markup=False)


def table(title: str, rows: list[dict[str, Any]], breakdown: Sequence[str], width: int) -> Table:
    """
    Lay out rows of the same names, with a bar for the first column that counts users, events or sessions.

    Columns that do not fit into ``width`` are left out, and how many they are stands below.
    """
    from rich.bar import Bar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if title == "retention":
        rows = _by_cohort(rows, breakdown)
    names = [name for name in rows[0] if name in breakdown or _is_shown(name, rows)]
    if wanted := _SHOWN.get(title):
        names = [name for name in names if name in (*breakdown, "other", *wanted)]
    names.sort(key=lambda name: name not in breakdown)
    barred = next((name for name in _BAR_OF if name in names), None)
    texts = {name: [_cell(name, row[name]) for row in rows] for name in names}
    fitting = _fitting(texts, barred, width)
    left_out, names = len(names) - fitting, names[:fitting]
    highest = max((row[barred] or 0 for row in rows), default=0) if barred else 0
    laid = Table(title=title, title_justify="left", title_style="bold")
    if left_out:
        laid.caption = f"还有 {left_out} 列，见 --csv. {left_out} more columns: --csv."
        laid.caption_justify = "left"
    for name in names:
        is_number = any(isinstance(row[name], int | float) for row in rows)
        laid.add_column(
            Text(_printable(name.replace("_", " "))),
            justify="right" if is_number else "left",
            no_wrap=name in ("time", "cohort"),
            max_width=_WIDEST,
        )
        if name == barred:
            laid.add_column("", no_wrap=True, style="cyan", min_width=_BAR_CELLS)
    for number, row in enumerate(rows):
        cells: list[Text | Bar] = []
        for name in names:
            cells.append(Text(_shortened(texts[name][number])))
            if name == barred:
                cells.append(Bar(highest or 1, 0, row[name] or 0, width=_BAR_CELLS))
        laid.add_row(*cells)
    return laid


def _fitting(texts: Mapping[str, list[str]], barred: str | None, width: int) -> int:
    """Return how many columns, each with its texts, fit side by side, at least one; a name may break at its spaces."""
    from rich.cells import cell_len  # noqa: PLC0415

    used = 1
    for number, (name, values) in enumerate(texts.items()):
        used += min(_WIDEST, max(map(cell_len, [*name.split("_"), *values]))) + 3
        if name == barred:
            used += _BAR_CELLS + 3
        if number and used > width:
            return number
    return len(texts)


def _shortened(text: str) -> str:
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415

    return text if cell_len(text) <= _WIDEST else set_cell_size(text, _WIDEST - 1).rstrip() + "…"


def _is_shown(name: str, rows: list[dict[str, Any]]) -> bool:
    """Tell whether a column says something in a terminal: not empty, no list inside, ``other`` only where one is."""
    if name == "other":
        return any(row[name] for row in rows)
    values = [row[name] for row in rows if row[name] is not None]
    return bool(values) and not any(
        isinstance(value, str) and _is_nested(value) for value in values
    )


def _is_nested(text: str) -> bool:
    """Tell whether a text is the JSON of a list or an object, as tables hold them; an event may be called [热卖]."""
    if not text.startswith(("[", "{")):
        return False
    try:
        return isinstance(msgspec.json.decode(text), list | dict)
    except msgspec.DecodeError:
        return False


def _by_cohort(rows: list[dict[str, Any]], breakdown: Sequence[str]) -> list[dict[str, Any]]:
    """One row a cohort with a column for each period; a period that has not ended is marked."""
    cohorts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        named = {name: row[name] for name in ("cohort", *breakdown, "other", "size") if name in row}
        cohort = cohorts.setdefault(tuple(named.values()), named)
        ended = "" if row["mature"] else " …"
        cohort[f"+{row['period']}"] = (
            f"{row['rate'] * 100:.0f}%{ended}" if row["rate"] is not None else f"–{ended}"
        )
    return list(cohorts.values())


def _cell(name: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, float) and ("rate" in name or "retention" in name or name == "share"):
        return f"{value * 100:.1f}%"
    if isinstance(value, int | float) and "_ms" in name:
        return _duration(value)
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else _printable(str(value))


def _printable(text: str) -> str:
    """Show control characters as what they are: names and values come from outside, and a terminal would obey them."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _duration(milliseconds: float) -> str:
    seconds = milliseconds / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _read_body(name: str) -> dict[str, Any]:
    if not name:
        return {}
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return msgspec.json.decode(text, type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        _refuse(f"--body {name}: {error}", 2)


def _days(first: str, last: str, days: int, timezone: str) -> dict[str, str]:
    """Return the range that was asked for; without --from, ``days`` days up to --to or to yesterday."""
    try:
        today = datetime.now(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
        _refuse(f"--timezone {timezone}: not an IANA time zone such as Asia/Shanghai", 2)
    end = last or (today - timedelta(days=1)).isoformat()
    if first:
        return {"from": first, "to": last or today.isoformat()}
    try:
        begin = datetime.fromisoformat(end).date() - timedelta(days=days - 1)
    except (ValueError, OverflowError):
        _refuse(f"--to {last}: not a day such as 2026-10-31", 2)
    return {"from": begin.isoformat(), "to": end}


def _condition(text: str) -> dict[str, Any]:
    from query_api.fields import TEXT_COLUMNS  # noqa: PLC0415

    field, is_given, value = text.partition("=")
    if not is_given or not field:
        _refuse(f"--where {text}: give field=value", 2)
    is_text = field in TEXT_COLUMNS or field == "scene_group"
    return {"field": field, "op": "eq", "values": [value if is_text else _value(value)]}


def _value(text: str) -> str | int | float | bool:
    """Read a number, true, false or a quoted text as JSON does; anything else is the text itself."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _window(text: str) -> dict[str, Any]:
    found = _LENGTH.fullmatch(text)
    if found is None:
        _refuse(f"--window {text}: a number and s, m, h or d, such as 7d", 2)
    return {"value": int(found["value"]), "unit": _UNITS[found["unit"]]}


def _measure(text: str) -> dict[str, Any]:
    event, _, rest = text.partition(":")
    aggregate, _, field = rest.partition(":")
    given = {"event": event, "aggregate": aggregate, "field": field}
    return {name: value for name, value in given.items() if value}


def _assigned(text: str) -> tuple[str, Any]:
    name, is_given, value = text.partition("=")
    if not is_given or not name:
        _refuse(f"--set {text}: give name=JSON", 2)
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        _refuse(f"--set {name}: {error}", 2)


def _refuse(message: str, code: int) -> NoReturn:
    typer.echo(f"scenetrail query: {message}", err=True)
    raise typer.Exit(code)
