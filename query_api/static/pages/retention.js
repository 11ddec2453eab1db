// Retention: who comes back. A curve over the mature cells, and the table of cohorts as a heat map.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { filterBuilder, forApi } from "../filters.js";
import { number, rate, value as fieldValue } from "../format.js";
import { t } from "../i18n.js";
import { eventFace, eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { common, filterSection, panel, wholeRange } from "../report.js";
import { addDays, today } from "../state.js";
import { segmented, select, table, usersLink } from "../widgets.js";

const UNITS = { day: "天|day", week: "周|week", month: "月|month" };

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
      wide: true,
      isEmpty: (answer) => answer.result.cohorts.every((c) => c.size === 0),
      render: (answer) => (body.breakdown ? [curve(answer, body), byGroup(answer, body)] : [curve(answer, body), cohorts(answer, body, users)]),
    }),
  );
}

function selector(value, fallback) {
  const { event = fallback, filter } = value ?? {};
  const asked = forApi(filter);
  return { ...(event ? { event } : {}), ...(asked ? { filter: asked } : {}) };
}

function bodyOf(state) {
  const unit = state.unit ?? "day";
  return {
    ...common(state),
    initial: selector(state.initial, "app_show"),
    returning: selector(state.returning, "app_show"),
    unit,
    periods: Number(state.periods ?? (unit === "day" ? 7 : 4)),
    ...(state.mode ? { mode: state.mode } : {}),
    cohort: state.cohort ?? "first",
    ...(state.by ? { breakdown: [state.by], breakdown_limit: 8 } : {}),
    ...(state.identity ? { identity: state.identity } : {}),
  };
}

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
        (unit === "day" ? [7, 14, 30] : [4, 8, 12]).map((n) => [n, `${n} ${t(UNITS[unit])}`]),
        state.periods ?? (unit === "day" ? 7 : 4),
        (value) => set({ periods: Number(value) }),
      ),
      select(
        t("算法|Mode"),
        [
          ["on", t("第 n 期回访|in period n")],
          ["on_or_after", t("第 n 期或之后|in period n or later")],
        ],
        state.mode ?? "on",
        (mode) => set({ mode: mode === "on" ? undefined : mode }),
      ),
      h("div", { class: "field" }, h("span", { class: "label" }, t("分组查看|Breakdown")), fieldPicker(t("分组字段|Breakdown"), state.by, (by) => set({ by }), { none: t("不分组|None") })),
    ),
    filterSection(state, set),
  );
}

const period = (n, unit) => (n === 0 ? t("当{unit}|{unit} 0", { unit: t(UNITS[unit]) }) : t("第 {n} {unit}|{unit} {n}", { n, unit: t(UNITS[unit]) }));

function curve(answer, body) {
  const { total, totals } = answer.result;
  const labels = total.rates.map((_, n) => period(n, body.unit));
  const colors = palette();
  const lines = totals
    ? totals.map((g, i) => ({ name: g.other ? t("其他|Other") : fieldValue(body.breakdown[0], g.breakdown[body.breakdown[0]]), line: g, color: colors[i % colors.length] }))
    : [{ name: t("留存率|Retention"), line: total, color: colors[0] }];
  return chart(
    t("留存曲线：{list}|Retention curve: {list}", { list: total.rates.map((r, n) => `${labels[n]} ${rate(r)}`).join(", ") }),
    () => {
      const option = timeOption({ labels, format: (v) => rate(v), series: lines.map(({ name, line, color }) => ({ name, values: line.rates, color })), area: lines.length === 1 });
      option.xAxis.axisLabel.formatter = (label) => label;
      option.grid.right = 28;
      option.series.forEach((s) => (s.showSymbol = true));
      option.tooltip = tooltip({
        trigger: "axis",
        formatter: (points) => {
          const n = points[0].dataIndex;
          return tip(labels[n], points.map((p) => [p.color, p.seriesName, `${rate(p.value)}  ${number(lines[p.seriesIndex].line.returned[n])}/${number(lines[p.seriesIndex].line.sizes[n])}`]));
        },
      });
      return option;
    },
    { height: 220 },
  );
}

function cohorts(answer, body, users) {
  const { cohorts: rows, total } = answer.result;
  const first = eventFace(body.initial.event);
  const most = Math.max(0.05, ...rows.flatMap((r) => r.rates.filter((x, n) => n > 0 && x !== null)));
  return [
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
          h("tr", {}, h("th", { scope: "col" }, t("日期|Cohort")), h("th", { scope: "col", class: "number" }, t("用户|Users")), total.rates.map((_, n) => h("th", { scope: "col", class: "period" }, period(n, body.unit)))),
        ),
        h(
          "tbody",
          {},
          h(
            "tr",
            { class: "total" },
            h("th", { scope: "row" }, t("合计（成熟）|Total (mature)")),
            h("td", { class: "number" }, number(total.size)),
            total.rates.map((r, n) => h("td", { class: "cell", dataset: { total: n }, title: `${number(total.returned[n])} / ${number(total.sizes[n])}` }, rate(r))),
          ),
          rows.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, row.cohort),
              h("td", { class: "number" }, usersLink(number(row.size), () => users("retention", body, { cohort: row.cohort }, `${row.cohort} ${first}`))),
              row.rates.map((value, n) => cell(row, value, n, body, users, most)),
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

/** First day of the n-th period after a cohort's. */
function startOf(cohort, n, unit) {
  if (unit !== "month") return addDays(cohort, n * (unit === "week" ? 7 : 1));
  const months = Number(cohort.slice(0, 4)) * 12 + Number(cohort.slice(5, 7)) - 1 + n;
  return `${Math.floor(months / 12)}-${String((months % 12) + 1).padStart(2, "0")}-01`;
}

function cell(row, value, n, body, users, most) {
  const where = { dataset: { cell: `${row.cohort}/${n}` } };
  if (row.size === 0 || (n > 0 && startOf(row.cohort, n, body.unit) > today())) return h("td", { class: "cell future", ...where }, "–");
  const strength = n === 0 ? 0.12 : Math.min(1, (value ?? 0) / most);
  const label = `${row.cohort} ${period(n, body.unit)}: ${rate(value)}, ${number(row.returned[n])} / ${number(row.size)}${row.mature[n] ? "" : `, ${t("未成熟|not mature")}`}`;
  return h(
    "td",
    { class: "cell", ...where },
    h(
      "button",
      {
        type: "button",
        class: `heat ${row.mature[n] ? "" : "immature"}`,
        style: { "--rate": strength.toFixed(3) },
        title: `${number(row.returned[n])} / ${number(row.size)}`,
        "aria-label": label,
        onClick: () => users("retention", body, { cohort: row.cohort, period: n }, label),
      },
      rate(value),
    ),
  );
}

function byGroup(answer, body) {
  const [field] = body.breakdown;
  const name = (g) => (g.other ? t("其他|Other") : fieldValue(field, g.breakdown[field]));
  return table(
    t("各组留存|Retention by group"),
    [
      { name: "group", title: fieldFace(field), cell: name, value: name },
      { name: "size", title: t("用户|Users"), number: true, cell: (g) => number(g.size), value: (g) => g.size },
      ...answer.result.total.rates.map((_, n) => ({
        name: `p${n}`,
        title: period(n, body.unit),
        number: true,
        value: (g) => g.rates[n],
        cell: (g) => h("span", { title: `${number(g.returned[n])} / ${number(g.sizes[n])}` }, rate(g.rates[n])),
      })),
    ],
    answer.result.totals,
  );
}
