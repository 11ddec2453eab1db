// Events explorer: measures, formula, breakdown, interval, comparison.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { filterBuilder, forApi } from "../filters.js";
import { columnFormat, day, rate, short, value } from "../format.js";
import { t } from "../i18n.js";
import { against, ofRange, rowKey } from "../parts.js";
import { eventFace, eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { beforeTitle, common, compared, filterSection, panel, partialFrom, wholeRange } from "../report.js";
import { countDays, days } from "../state.js";
import { button, fold, iconButton, segmented, select, table, textInput, usersLink } from "../widgets.js";

const AGGREGATES = [
  ["count", "次数|Events"],
  ["users", "用户数|Users"],
  ["sessions", "会话数|Sessions"],
  ["per_user", "人均次数|Per user"],
  ["sum", "总和|Sum"],
  ["avg", "平均值|Average"],
  ["p50", "中位数|Median"],
  ["p90", "90 分位|p90"],
  ["p99", "99 分位|p99"],
  ["min", "最小值|Least"],
  ["max", "最大值|Most"],
];
const OF_A_FIELD = new Set(["sum", "avg", "min", "max", "p50", "p90", "p99"]);
const START = [{ event: "page_view", aggregate: "count" }];
const letter = (i) => String.fromCharCode(65 + i);

export default function events({ state, set, users }) {
  const measures = state.measures ?? START;
  const body = bodyOf(state, measures);
  return h(
    "div",
    { class: "page-stack" },
    builder(state, measures, set),
    panel({
      title: t("事件趋势|Trend"),
      report: "events",
      body,
      incomplete: t("选择指标要用的数值字段|Choose the number that the measure takes"),
      wide: true,
      isEmpty: (answer) => answer.result.series.length === 0 || answer.result.series.every((s) => measures.every((_, i) => !s.total[letter(i)])),
      render: (answer) => view(answer, state, measures, body, users),
    }),
  );
}

function bodyOf(state, measures) {
  if (measures.some((m) => OF_A_FIELD.has(m.aggregate) && !m.field)) return null;
  const by = state.breakdown ?? [];
  return {
    ...common(state),
    measures: measures.map((m, i) => {
      const filter = forApi(m.filter);
      return { ...(m.event ? { event: m.event } : {}), aggregate: m.aggregate, ...(OF_A_FIELD.has(m.aggregate) ? { field: m.field } : {}), ...(filter ? { filter } : {}), as: letter(i) };
    }),
    interval: intervalOf(state),
    ...(by.length ? { breakdown: by, breakdown_limit: 10 } : {}),
    ...(state.formula ? { formula: state.formula } : {}),
    ...compared(state),
  };
}

const intervalOf = (state) => state.interval ?? (countDays(days(state.range)) <= 2 ? "hour" : "day");

function builder(state, measures, set) {
  const write = (next) => set({ measures: next });
  const change_ = (i, part) => write(measures.map((m, j) => (j === i ? { ...m, ...part } : m)));
  const by = state.breakdown ?? [];
  return h(
    "section",
    { class: "builder", "aria-label": t("事件条件|Events builder") },
    h(
      "div",
      { class: "steps" },
      measures.map((m, i) =>
        h(
          "div",
          { class: "step" },
          h("span", { class: "step-number", "aria-hidden": "true" }, letter(i)),
          h(
            "div",
            { class: "step-line" },
            eventPicker(t("指标 {n} 的事件|Event of measure {n}", { n: letter(i) }), m.event, (event) => change_(i, { event, filter: undefined, field: undefined }), { any: true }),
            select(t("指标 {n} 的算法|Aggregate of measure {n}", { n: letter(i) }), AGGREGATES.map(([v, text]) => [v, t(text)]), m.aggregate, (aggregate) => change_(i, { aggregate }), { hidden: true }),
            OF_A_FIELD.has(m.aggregate) ? fieldPicker(t("数值字段|Number"), m.field, (field) => change_(i, { field }), { event: m.event, numbers: true }) : null,
            filterBuilder(t("指标 {n} 的条件|Conditions of measure {n}", { n: letter(i) }), m.filter, (filter) => change_(i, { filter }), { event: m.event, common: wholeRange(state), depth: 3 }),
          ),
          measures.length > 1 ? iconButton("close", t("删除指标 {n}|Remove measure {n}", { n: letter(i) }), () => write(measures.filter((_, j) => j !== i))) : h("span"),
        ),
      ),
    ),
    h("div", {}, button(t("添加指标|Add a measure"), () => write([...measures, { event: "", aggregate: "count" }]), { class: "button ghost small", icon: "plus" })),
    h(
      "div",
      { class: "builder-row" },
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("粒度|Interval")),
        segmented(
          t("粒度|Interval"),
          [
            ["hour", t("小时|hour")],
            ["day", t("天|day")],
            ["week", t("周|week")],
            ["month", t("月|month")],
            ["quarter", t("季|quarter")],
          ],
          intervalOf(state),
          (interval) => set({ interval }),
        ),
      ),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("分组查看|Breakdown")),
        h(
          "div",
          { class: "row" },
          [...by, ""].slice(0, 3).map((name, i) => fieldPicker(t("分组字段 {n}|Breakdown {n}", { n: i + 1 }), name, (chosen) => set({ breakdown: nonEmpty([...by.slice(0, i), chosen, ...by.slice(i + 1)]) }), { none: i ? t("＋ 再分组|+ and by") : t("不分组|None") })),
        ),
      ),
      measures.length > 1 ? textInput(t("公式|Formula"), state.formula, (formula) => set({ formula: formula.trim() }), { placeholder: "B / A" }) : null,
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("图形|Chart")),
        segmented(
          t("图形|Chart"),
          [
            ["line", t("折线|Lines")],
            ["bar", t("柱形|Bars")],
            ["area", t("堆积|Stacked")],
          ],
          state.chart ?? "line",
          (chart_) => set({ chart: chart_ === "line" ? undefined : chart_ }),
        ),
      ),
    ),
    filterSection(state, set),
  );
}

const nonEmpty = (list) => {
  const kept = [...new Set(list.filter(Boolean))];
  return kept.length ? kept : undefined;
};

export function measureTitle(m, i) {
  const aggregate = AGGREGATES.find(([v]) => v === m.aggregate);
  return `${letter(i)} ${eventFace(m.event)} · ${t(aggregate[1])}${OF_A_FIELD.has(m.aggregate) ? ` ${fieldFace(m.field)}` : ""}`;
}

function view(answer, state, measures, body, users) {
  const { series, compare } = answer.result;
  const by = body.breakdown ?? [];
  const measured = measures.map((m, i) => [letter(i), measureTitle(m, i)]);
  const formula = body.formula ? [["formula", `${t("公式|Formula")} ${body.formula}`]] : [];
  const columns = formula.length ? formula : measured;
  const lineName = (s) => (by.length ? (s.other ? t("其他|Other") : by.map((f) => value(f, s.breakdown[f])).join(" / ")) : "");
  const cell = (s) => (by.length ? (s.other ? { other: true } : { breakdown: s.breakdown }) : {});
  const labels = series[0]?.points.map((p) => p.time) ?? [];
  const colors = palette();
  const isRatio = body.formula && /\//.test(body.formula);
  const nameOf = (s, title) => [lineName(s), columns.length > 1 || !by.length ? title : ""].filter(Boolean).join(" · ");
  const lines = series.flatMap((s) => columns.map(([key, title]) => ({ column: key, key: `${key}/${rowKey(s, by)}`, s, name: nameOf(s, title), values: s.points.map((p) => p[key]) })));
  const before = (compare?.series ?? []).flatMap((s) => columns.map(([key, title]) => ({ name: `${beforeTitle(body.compare)} ${nameOf(s, title)}`, key: `before/${key}/${rowKey(s, by)}`, values: s.points.map((p) => p[key]).slice(0, labels.length), dashed: true })));
  const kind = state.chart === "bar" ? "bar" : "line";
  const partial = partialFrom(labels, answer);
  const format = (v) => (isRatio && Math.abs(v) <= 1.5 ? rate(v) : short(v));
  return [
    chart(
      t("{list} 的趋势|Trend of {list}", { list: columns.map(([, title]) => title).join(", ") }),
      () =>
        timeOption({
          labels,
          format,
          kind,
          unit: columns.length === 1 ? columns[0][1] : "",
          stacked: state.chart === "area",
          partial,
          series: [...lines.slice(0, 20).map((line, i) => ({ ...line, color: colors[i % colors.length] })), ...before.slice(0, 10).map((line, i) => ({ ...line, color: `${colors[i % colors.length]}99` }))],
        }),
      {
        height: 320,
        onClick: (p) => {
          const line = lines.find((l) => l.name === p.seriesName);
          if (line) users("events", body, { measure: measureOf(line.column, body), time: labels[p.dataIndex], ...cell(line.s) }, `${line.name} ${day(labels[p.dataIndex], true)}`);
        },
      },
    ),
    partial < labels.length ? h("p", { class: "legend" }, t("虚线部分的数据还不完整|Dotted: not complete yet")) : null,
    totals(series, compare, [...formula, ...measured], by, lineName, cell, body, users),
    pointsTable(series, labels, [...formula, ...measured], by, cell, lineName, body, users),
  ];
}

/** The measure whose users a number opens: of a formula the first that it names; the columns beside it open the others. */
export const measureOf = (key, { formula }) => (key === "formula" ? (/\b[A-Z]\b/.exec(formula)?.[0] ?? letter(0)) : key);

function totals(series, compare, columns, by, lineName, cell, body, users) {
  const beforeOf = (s) => compare?.series.find((b) => lineName(b) === lineName(s));
  const shows = new Map(columns.map(([key]) => [key, columnFormat([...series, ...(compare?.series ?? [])].map((s) => s.total[key]))]));
  const open = (s, key, title, isBefore) => users("events", ofRange(body, isBefore), { measure: measureOf(key, body), ...cell(s) }, `${lineName(s)} ${title}`);
  return table(
    t("合计|Totals"),
    [
      { name: "name", title: by.length ? by.map(fieldFace).join(" / ") : t("合计（整个时间范围）|Total over the range"), cell: (s) => lineName(s) || t("全部|All"), value: lineName },
      ...columns.map(([key, title]) => ({
        name: key,
        title,
        number: true,
        value: (s) => s.total[key],
        cell: (s) => against(shows.get(key), s.total[key], compare ? (beforeOf(s)?.total[key] ?? null) : undefined, { open: (isBefore) => open(s, key, title, isBefore) }),
      })),
    ],
    series,
  );
}

function pointsTable(series, labels, columns, by, cell, lineName, body, users) {
  if (!labels.length) return null;
  const rows = series.flatMap((s) => s.points.map((p) => ({ s, p })));
  const shows = new Map(columns.map(([key]) => [key, columnFormat(rows.map((r) => r.p[key]))]));
  return fold(
    "by-time",
    t("明细表|Table by time"),
    table(
      t("明细|By time"),
      [
        { name: "time", title: t("时间|Time"), cell: (r) => day(r.p.time, true), value: (r) => r.p.time },
        ...(by.length ? [{ name: "group", title: by.map(fieldFace).join(" / "), cell: (r) => lineName(r.s), value: (r) => lineName(r.s) }] : []),
        ...columns.map(([key, title]) => ({
          name: key,
          title,
          number: true,
          value: (r) => r.p[key],
          cell: (r) => usersLink(shows.get(key)(r.p[key]), () => users("events", body, { measure: measureOf(key, body), time: r.p.time, ...cell(r.s) }, `${title} ${r.p.time}`)),
        })),
      ],
      rows,
      { limit: 100 },
    ),
  );
}
