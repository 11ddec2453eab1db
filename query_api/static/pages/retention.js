// Retention: who comes back. A curve over the mature cells, and the table of cohorts as a heat map.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { filterBuilder, forApi } from "../filters.js";
import { amount, fixed, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, delta, differences, eventField, figures, forWhom, labelled, ofRange, presetChecks, presetField, presetTitle, rowCell, rowKey, rowName, selector as selected } from "../parts.js";
import { eventFace, eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { beforeTitle, common, compared, filterSection, panel, wholeRange } from "../report.js";
import { addDays, today } from "../state.js";
import { fold, segmented, select, table, textInput, usersLink } from "../widgets.js";

const UNITS = { day: "天|day", week: "周|week", month: "月|month" };
const SPANS = { day: "{n} 天|{n} days", week: "{n} 周|{n} weeks", month: "{n} 个月|{n} months" };

export default function retention({ state, set, users }) {
  const body = bodyOf(state);
  return h(
    "div",
    { class: "page-stack" },
    builder(state, set),
    panel({
      title: t("留存|Retention"),
      report: "retention",
      body,
      incomplete: t("区间写成 1, 2-7, 8-14 这样|Write brackets such as 1, 2-7, 8-14"),
      wide: true,
      isEmpty: (answer) => answer.result.cohorts.every((c) => c.size === 0),
      render: (answer) => [headline(answer.result, body, users), curve(answer, body, users), forWhom(t("谁会回来？|Who comes back?"), breakdownOf(state), (breakdown) => set({ breakdown, by: undefined })), body.breakdown ? [byGroup(answer, body, users), fold("cohorts", t("各组各批的留存表|Table of each group's cohorts"), cohorts(answer, body, state, set, users))] : cohorts(answer, body, state, set, users), semanticsTable(answer.result, body, users)],
    }),
  );
}

function selector(value, fallback) {
  const { event = fallback, filter } = value ?? {};
  const asked = forApi(filter);
  return { ...(event ? { event } : {}), ...(asked ? { filter: asked } : {}) };
}

const breakdownOf = (state) => state.breakdown ?? (state.by ? [state.by] : []);

/** "1, 2-7, 8-30" as pairs; null where it is none. */
export function bracketsOf(text) {
  const pairs = (text ?? "").split(/[,，;；\s]+/).filter(Boolean).map((part) => {
    const [, first, last = first] = /^(\d{1,3})(?:[-–~](\d{1,3}))?$/.exec(part) ?? [];
    return [Number(first), Number(last)];
  });
  return pairs.length && pairs.every(([first, last]) => first <= last) ? pairs : null;
}

const BRACKETS = "1, 2-7, 8-14";

function bodyOf(state) {
  const unit = state.unit ?? "day";
  const brackets = state.mode === "bracket" ? bracketsOf(state.brackets ?? BRACKETS) : null;
  if (state.mode === "bracket" && !brackets) return null;
  const measure = state.measure?.event && (state.measure.aggregate === "count" || state.measure.field) ? { ...selected(state.measure), aggregate: state.measure.aggregate ?? "sum", ...(state.measure.aggregate === "count" ? {} : { field: state.measure.field }) } : null;
  const axes = Object.fromEntries(AXES.map(([name]) => [name, state[name]]).filter(([, value]) => value));
  return {
    ...common(state),
    initial: selector(state.initial, "app_show"),
    returning: selector(state.returning, "app_show"),
    unit,
    periods: Number(state.periods ?? (unit === "day" ? 7 : 4)),
    ...(state.mode ? { mode: state.mode } : {}),
    ...(brackets ? { brackets } : {}),
    // A product's own cohort holds where it documents one and none was chosen.
    ...(state.preset && !state.cohort ? {} : { cohort: state.cohort ?? "first" }),
    ...brokenDown(breakdownOf(state), 8),
    ...(state.identity ? { identity: state.identity } : {}),
    ...axes,
    ...(measure ? { measure } : {}),
    ...compared(state),
    ...(state.preset ? { preset: state.preset } : {}),
    ...(state.semantics?.length ? { compare_semantics: state.semantics } : {}),
  };
}

/** Axes of retention's meaning that may be chosen. */
const AXES = [
  ["period_counts", "一期怎么数|A period counts", [["calendar", "自然日、周、月|calendar days, weeks, months"], ["elapsed", "每满 24 小时|every 24 hours"], ["elapsed_from_hour", "从整点起每 24 小时|24 hours from the full hour"], ["elapsed_from_day", "从当天起的 1、7、30 个自然日|1, 7 or 30 days from that day on"]]],
  ["period_zero", "当期回访|Period 0", [["any", "同一事件可算|one event may be both"], ["repeated", "需要两次|needs two events"]]],
];

function builder(state, set) {
  const unit = state.unit ?? "day";
  const one = (key, label, title) => {
    const value = { event: "app_show", ...(state[key] ?? {}) };
    return h(
      "div",
      { class: "field" },
      h("span", { class: "label" }, label),
      h(
        "div",
        { class: "step-line" },
        eventPicker(title, value.event, (event) => set({ [key]: { event } }), { any: true }),
        filterBuilder(t("{what}的条件|Conditions of {what}", { what: title }), value.filter, (filter) => set({ [key]: { ...value, filter } }), { event: value.event, common: wholeRange(state), depth: 3 }),
      ),
    );
  };
  return h(
    "section",
    { class: "builder", "aria-label": t("留存条件|Retention builder") },
    h("div", { class: "builder-row" }, one("initial", t("初始行为|Initial event"), t("初始行为|initial event")), one("returning", t("回访行为|Returning event"), t("回访行为|returning event"))),
    h(
      "div",
      { class: "builder-row" },
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("用户|Users")),
        segmented(
          t("用户|Users"),
          [
            ["first", t("首次发生者（新用户）|First time ever")],
            ["every", t("每次发生者|Every time")],
          ],
          state.cohort ?? "first",
          (cohort) => set({ cohort }),
        ),
      ),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("单位|Unit")),
        segmented(
          t("单位|Unit"),
          Object.entries(UNITS).map(([value, text]) => [value, t(text)]),
          unit,
          (value) => set({ unit: value, periods: undefined }),
        ),
      ),
      select(
        t("看多久|How long"),
        (unit === "day" ? [7, 14, 30] : [4, 8, 12]).map((n) => [n, t(SPANS[unit], { n })]),
        state.periods ?? (unit === "day" ? 7 : 4),
        (value) => set({ periods: Number(value) }),
      ),
      select(
        t("算法|Mode"),
        [
          ["on", t("第 n 期回访|in period n")],
          ["on_or_after", t("第 n 期或之后|in period n or later")],
          ["bracket", t("自定义区间|in brackets")],
        ],
        state.mode ?? "on",
        (mode) => set({ mode: mode === "on" ? undefined : mode }),
      ),
      state.mode === "bracket" ? textInput(t("区间（期）|Brackets (periods)"), state.brackets ?? BRACKETS, (brackets) => set({ brackets }), { placeholder: BRACKETS }) : null,
      breakdownField(breakdownOf(state), (breakdown) => set({ breakdown, by: undefined })),
    ),
    fold(
      "more",
      t("更多选项：同时查看的指标、口径预设|More: a measure beside it, semantics of other products"),
      h(
        "div",
        { class: "page-stack" },
        h(
          "div",
          { class: "builder-row" },
          eventField(t("同时查看|A measure beside it"), state.measure ?? {}, state, (given) => set({ measure: given.event ? { aggregate: "sum", ...state.measure, ...given, ...(given.event === state.measure?.event ? {} : { field: undefined }) } : undefined }), true),
          state.measure?.event
            ? [
                select(
                  t("算法|Aggregate"),
                  [
                    ["sum", t("总和|Sum")],
                    ["count", t("次数|Events")],
                  ],
                  state.measure.aggregate ?? "sum",
                  (aggregate) => set({ measure: { ...state.measure, aggregate } }),
                ),
                state.measure.aggregate === "count" ? null : labelled(t("数值字段|Number"), fieldPicker(t("数值字段|Number"), state.measure.field, (field) => set({ measure: { ...state.measure, field } }), { event: state.measure.event, numbers: true })),
              ]
            : null,
        ),
        h(
          "div",
          { class: "builder-row" },
          presetField(state.preset, (preset) => set({ preset })),
          AXES.map(([name, title, values]) => select(t(title), [["", t("按预设|as the preset")], ...values.map(([v, text]) => [v, t(text)])], state[name] ?? "", (value) => set({ [name]: value || undefined }))),
        ),
        presetChecks(state.semantics, (semantics) => set({ semantics })),
      ),
      { open: Boolean(state.measure || state.preset || state.semantics || AXES.some(([name]) => state[name])) },
    ),
    filterSection(state, set),
  );
}

/** Title of a column. */
function column(n, body) {
  const pair = body.brackets?.[n];
  if (!pair) return period(n, body.unit);
  const unit = t(UNITS[body.unit]);
  return pair[0] === pair[1] ? period(pair[0], body.unit) : t("第 {a}–{b} {unit}|{unit}s {a}–{b}", { a: pair[0], b: pair[1], unit });
}

/** How many come back at all, how many are lost; against the range before. */
function headline({ total, compare }, body, users) {
  const before = compare?.total;
  const next = total.rates.length > 1 && total.sizes[1] ? 1 : 0;
  return figures([
    ["size", t("用户|Users"), [totalLink(number(total.size), {}, t("用户|Users"), body, users), before ? delta(total.size, before.size, number, { open: () => users("retention", ofRange(body, true), {}, t("用户|Users")) }) : null]],
    ["lost", t("至今没有回访|Have not come back"), [total.lost_size ? totalLink(rate(total.lost_rate), { lost: true }, t("至今没有回访|Have not come back"), body, users, `${number(total.lost)} / ${number(total.lost_size)}`) : rate(null), before ? delta(total.lost_rate, before.lost_rate, rate, { good: false, open: () => users("retention", ofRange(body, true), { lost: true }, t("至今没有回访|Have not come back")) }) : null]],
    before ? ["next", t("首个回访期|First column"), against(rate, total.rates[next], before.rates[next], { open: (isBefore) => users("retention", ofRange(body, isBefore), { period: next }, column(next, body)) })] : null,
  ]);
}

/** A number of the total that opens its users: with `every` each once, though the number counts one in several cohorts. */
function totalLink(text, cell, title, body, users, counted = "") {
  const many = (body.cohort ?? "every") === "every" ? ` · ${t("每人只列一次|each listed once")}` : "";
  const full = [title, counted].filter(Boolean).join(" ");
  return h("button", { type: "button", class: "users-link", title: counted || t("查看用户|Show users"), "aria-label": `${full} ${text}, ${t("查看用户|show users")}`, onClick: () => users("retention", body, cell, `${title}${many}`) }, text);
}

/** The same retention as other products mean it. */
function semanticsTable({ total, compare_semantics: others }, body, users) {
  if (!others) return null;
  const under = (r) => (r.preset ? { preset: r.preset } : {});
  return [
    h("h3", { class: "sub" }, t("其他产品口径下的同一留存|The same retention as other products mean it")),
    table(
      t("口径对比|Semantics compared"),
      [
        { name: "preset", title: t("口径|Semantics"), cell: (r) => (r.preset ? presetTitle(r.preset) : body.preset ? `${t("当前|this")} (${presetTitle(body.preset)})` : t("当前|this")) },
        { name: "size", title: t("用户|Users"), number: true, cell: (r) => totalLink(number(r.total.size), under(r), t("用户|Users"), body, users) },
        ...total.rates.map((_, n) => ({ name: `p${n}`, title: column(n, body), number: true, cell: (r) => (r.total.rates.length > n ? totalLink(rate(r.total.rates[n]), { period: n, ...under(r) }, column(n, body), body, users, `${number(r.total.returned[n])} / ${number(r.total.sizes[n])}`) : "–") })),
        { name: "differs", title: t("不同之处|What differs"), cell: (r) => (r.preset ? differences(r) : "") },
      ],
      [{ preset: "", total }, ...others],
    ),
  ];
}

const period = (n, unit) => (n === 0 ? t("当{unit}|{unit} 0", { unit: t(UNITS[unit]) }) : t("第 {n} {unit}|{unit} {n}", { n, unit: t(UNITS[unit]) }));

function curve(answer, body, users) {
  const { total, totals, compare } = answer.result;
  // In its own period all of every group are there: without it the groups can be told apart.
  const first = totals && !body.brackets ? 1 : 0;
  const labels = total.rates.map((_, n) => column(n, body)).slice(first);
  const colors = palette();
  const lines = totals
    ? totals.map((g, i) => ({ name: rowName(g, body.breakdown), key: rowKey(g, body.breakdown), line: g, color: colors[i % colors.length] }))
    : [{ name: t("留存率|Retention"), key: "now", line: total, color: colors[0] }, ...(compare ? [{ name: beforeTitle(body.compare), key: "before", line: compare.total, color: colors[8], dashed: true }] : [])];
  return chart(
    t("留存曲线：{list}|Retention curve: {list}", { list: total.rates.slice(first).map((r, n) => `${labels[n]} ${rate(r)}`).join(", ") }),
    () => {
      const option = timeOption({ labels, format: (v) => rate(v), series: lines.map(({ name, key, line, color, dashed }) => ({ name, key, values: line.rates.slice(first), color, dashed })), area: lines.length === 1 });
      option.xAxis.axisLabel.formatter = (label) => label;
      option.grid.right = 28;
      option.series.forEach((s) => (s.showSymbol = true));
      option.tooltip = tooltip({
        trigger: "axis",
        formatter: (points) => {
          const n = points[0].dataIndex + first;
          return tip(labels[n - first], points.map((p) => [p.color, p.seriesName, `${rate(p.value)}  ${number(lines[p.seriesIndex].line.returned[n])}/${number(lines[p.seriesIndex].line.sizes[n])}`]));
        },
      });
      return option;
    },
    {
      height: 220,
      onClick: (p) => {
        const { name, line, dashed } = lines[p.seriesIndex];
        users("retention", ofRange(body, dashed), { period: p.dataIndex + first, ...rowCell(line, body.breakdown) }, `${name} ${labels[p.dataIndex]}`);
      },
    },
  );
}

/** What the cells of the table show. */
const SHOWN = {
  rate: ["留存率|Retention"],
  first: ["首次回访|First return"],
  measured: ["人均指标|Measure per user"],
};

function cohorts(answer, body, state, set, users) {
  const { total } = answer.result;
  const by = body.breakdown;
  const rows = by ? answer.result.cohorts.filter((row) => row.size > 0) : answer.result.cohorts;
  const name = (row) => [row.cohort, rowName(row, by)].filter(Boolean).join(" · ");
  const kinds = Object.keys(SHOWN).filter((kind) => (kind !== "measured" || body.measure) && (kind !== "first" || !body.brackets));
  const kind = kinds.includes(state.cells) ? state.cells : "rate";
  const first = eventFace(body.initial.event);
  const valueOf = (line, n) => (kind === "first" ? (line.size ? line.first_returned[n] / line.size : null) : kind === "measured" ? line.measured_per_user[n] : line.rates[n]);
  const totalOf = (n) => (kind === "first" ? total.first_return_rates[n] : kind === "measured" ? total.measured_per_user[n] : total.rates[n]);
  const titleOf = (line, n) => (kind === "first" ? `${number(line.first_returned[n])} / ${number(line.size)}` : kind === "measured" ? `${amount(line.measured[n])} / ${number(line.size)}` : `${number(line.returned[n])} / ${number(line.size)}`);
  const show = kind === "measured" ? (v) => fixed(v) : rate;
  const most = Math.max(kind === "measured" ? 1e-9 : 0.05, ...rows.flatMap((r) => r.rates.map((_, n) => valueOf(r, n) ?? 0).slice(kind === "rate" && !body.brackets ? 1 : 0)));
  const shown = { kind, valueOf, titleOf, show, most };
  return [
    kinds.length > 1 ? h("div", { class: "row" }, segmented(t("表格显示|The table shows"), kinds.map((one) => [one, t(SHOWN[one][0])]), kind, (cells) => set({ cells: cells === "rate" ? undefined : cells }))) : null,
    h(
      "div",
      { class: "table-holder", tabindex: "0", role: "region", "aria-label": t("留存表|Retention table") },
      h(
        "table",
        { class: "cohorts" },
        h("caption", { class: "visually-hidden" }, t("{event} 的用户之后回访的比例|Users of {event} who come back", { event: first })),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, t("日期|Cohort")),
            h("th", { scope: "col", class: "number" }, t("用户|Users")),
            total.rates.map((_, n) => h("th", { scope: "col", class: "period" }, column(n, body))),
            h("th", { scope: "col", class: "number" }, t("至今未回访|Lost")),
          ),
        ),
        h(
          "tbody",
          {},
          h(
            "tr",
            { class: "total" },
            h("th", { scope: "row" }, t("合计（成熟）|Total (mature)")),
            h("td", { class: "number" }, totalLink(number(total.size), {}, t("用户|Users"), body, users)),
            total.rates.map((_, n) => {
              const counted = kind === "first" ? `${number(total.first_returned[n])} / ${number(total.first_return_sizes[n])}` : `${number(total.returned[n])} / ${number(total.sizes[n])}`;
              const opens = totalOf(n) !== null && (kind !== "first" || n > 0);
              return h("td", { class: "cell", dataset: { total: n } }, opens ? totalLink(show(totalOf(n)), cellOf(kind, n), `${t("合计（成熟）|Total (mature)")} ${column(n, body)}`, body, users, counted) : show(totalOf(n)));
            }),
            h("td", { class: "number" }, total.lost_size ? totalLink(rate(total.lost_rate), { lost: true }, t("至今没有回访|Have not come back"), body, users, `${number(total.lost)} / ${number(total.lost_size)}`) : rate(null)),
          ),
          rows.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, name(row)),
              h("td", { class: "number" }, usersLink(number(row.size), () => users("retention", body, { cohort: row.cohort, ...rowCell(row, by) }, `${name(row)} ${first}`))),
              row.rates.map((_, n) => cell(row, n, body, users, { ...shown, name: name(row) })),
              h("td", { class: "number" }, row.lost === null || row.size === 0 ? "–" : usersLink(number(row.lost), () => users("retention", body, { cohort: row.cohort, lost: true, ...rowCell(row, by) }, `${name(row)} ${t("至今未回访|lost")}`))),
            ),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "legend" },
      h("span", {}, h("span", { class: "sample" }), t("已成熟|mature")),
      h("span", {}, h("span", { class: "sample immature" }), t("未成熟：这一期还没结束，不计入合计|not mature: the period has not ended; not in the total")),
    ),
  ];
}

/** Whose number a cell of the table shows. */
const cellOf = (kind, n) => ({ rate: { period: n }, first: { first_return: n }, measured: { period: n, measured: true } })[kind];

/** First day of the n-th period after a cohort's. */
function startOf(cohort, n, unit) {
  if (unit !== "month") return addDays(cohort, n * (unit === "week" ? 7 : 1));
  const months = Number(cohort.slice(0, 4)) * 12 + Number(cohort.slice(5, 7)) - 1 + n;
  return `${Math.floor(months / 12)}-${String((months % 12) + 1).padStart(2, "0")}-01`;
}

function cell(row, n, body, users, { kind, valueOf, titleOf, show, most, name }) {
  const where = { dataset: { cell: `${name}/${n}` } };
  const begins = body.brackets?.[n][0] ?? n;
  if (row.size === 0 || (begins > 0 && startOf(row.cohort, begins, body.unit) > today())) return h("td", { class: "cell future", ...where }, "–");
  const value = valueOf(row, n);
  // A first return lies after the cohort's own period.
  if (kind === "first" && n === 0) return h("td", { class: "cell", ...where }, show(value));
  const strength = kind === "rate" && begins === 0 ? 0.12 : Math.min(1, (value ?? 0) / most);
  const label = `${name} ${column(n, body)}: ${show(value)}, ${titleOf(row, n)}${row.mature[n] ? "" : `, ${t("未成熟|not mature")}`}`;
  return h(
    "td",
    { class: "cell", ...where },
    h(
      "button",
      {
        type: "button",
        class: `heat ${row.mature[n] ? "" : "immature"}`,
        style: { "--rate": strength.toFixed(3) },
        title: titleOf(row, n),
        "aria-label": label,
        onClick: () => users("retention", body, { cohort: row.cohort, ...cellOf(kind, n), ...rowCell(row, body.breakdown) }, label),
      },
      show(value),
    ),
  );
}

function byGroup(answer, body, users) {
  const name = (g) => rowName(g, body.breakdown);
  return table(
    t("各组留存|Retention by group"),
    [
      { name: "group", title: body.breakdown.map(fieldFace).join(" / "), cell: name, value: name },
      { name: "size", title: t("用户|Users"), number: true, cell: (g) => totalLink(number(g.size), rowCell(g, body.breakdown), name(g), body, users), value: (g) => g.size },
      ...answer.result.total.rates.map((_, n) => ({
        name: `p${n}`,
        title: column(n, body),
        number: true,
        value: (g) => g.rates[n],
        cell: (g) => (g.rates[n] === null ? rate(null) : totalLink(rate(g.rates[n]), { period: n, ...rowCell(g, body.breakdown) }, `${name(g)} ${column(n, body)}`, body, users, `${number(g.returned[n])} / ${number(g.sizes[n])}`)),
      })),
    ],
    answer.result.totals,
  );
}
