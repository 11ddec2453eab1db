// Lifetime value: what the users of a cohort brought in by the n-th period after they began.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { fixed, number, short } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, eventField, figures, labelled, ofRange, rowCell, rowKey, rowName, selector } from "../parts.js";
import { eventPicker, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { button, iconButton, segmented, select, table, usersLink } from "../widgets.js";

const UNITS = { day: "天|day", week: "周|week", month: "月|month" };
const SPANS = { day: "{n} 天|{n} days", week: "{n} 周|{n} weeks", month: "{n} 个月|{n} months" };
const PERIODS = { day: [7, 14, 30, 60, 90], week: [4, 8, 12], month: [3, 6, 12] };
const START = [{ event: "order_pay", field: "properties.amount", percent: 100 }];

export default function ltv({ state, set, users }) {
  const unit = state.unit ?? "day";
  const start = { event: "app_show", ...(state.start ?? {}) };
  const measures = state.measures ?? START;
  const by = (state.breakdown ?? []).slice(0, 1);
  const body = measures.some((m) => !m.event || !m.field)
    ? null
    : {
        ...common(state),
        start: selector(start),
        measures: measures.map((m) => ({ event: m.event, field: m.field, margin: Math.max(-100, Math.min(100, m.percent ?? 100)) / 100 })),
        unit,
        periods: Number(state.periods ?? (unit === "day" ? 14 : PERIODS[unit][0])),
        cohort: state.cohort ?? "first",
        ...brokenDown(by, 8),
        ...compared(state),
      };
  return h(
    "div",
    { class: "page-stack" },
    builder(state, set, start, measures, unit, by),
    panel({
      title: t("生命周期价值|Lifetime value"),
      report: "ltv",
      body,
      incomplete: t("选择付费事件和金额字段|Choose the paying event and its amount"),
      wide: true,
      isEmpty: (answer) => answer.result.total.size === 0,
      render: (answer) => view(answer.result, body, by, users),
    }),
  );
}

function builder(state, set, start, measures, unit, by) {
  const write = (next) => set({ measures: next });
  const change = (i, part) => write(measures.map((m, j) => (j === i ? { ...m, ...part } : m)));
  return h(
    "section",
    { class: "builder", "aria-label": t("生命周期价值条件|Lifetime value builder") },
    h("div", { class: "builder-row" }, eventField(t("用户从何时算起|Users begin with"), start, state, (value) => set({ start: value }))),
    labelled(
      t("收入：金额 × 比例（退款可写 -100%）|Revenue: amount × share (a refund: -100 %)"),
      h(
        "div",
        { class: "steps" },
        measures.map((m, i) =>
          h(
            "div",
            { class: "step-line" },
            eventPicker(t("收入 {n} 的事件|Event of revenue {n}", { n: i + 1 }), m.event, (event) => change(i, { event, field: undefined })),
            fieldPicker(t("收入 {n} 的金额|Amount of revenue {n}", { n: i + 1 }), m.field, (field) => change(i, { field }), { event: m.event, numbers: true }),
            percent(t("收入 {n} 的比例|Share of revenue {n}", { n: i + 1 }), m.percent ?? 100, (value) => change(i, { percent: value })),
            measures.length > 1 ? iconButton("close", t("删除收入 {n}|Remove revenue {n}", { n: i + 1 }), () => write(measures.filter((_, j) => j !== i))) : null,
          ),
        ),
        h("div", {}, button(t("添加收入|Add a revenue"), () => write([...measures, { event: "", percent: 100 }]), { class: "button ghost small", icon: "plus" })),
      ),
    ),
    h(
      "div",
      { class: "builder-row" },
      labelled(
        t("用户|Users"),
        segmented(
          t("用户|Users"),
          [
            ["first", t("首次发生者（新用户）|First time ever")],
            ["first_in_range", t("范围内首次|First in the range")],
          ],
          state.cohort ?? "first",
          (cohort) => set({ cohort: cohort === "first" ? undefined : cohort }),
        ),
      ),
      labelled(t("单位|Unit"), segmented(t("单位|Unit"), Object.entries(UNITS).map(([v, text]) => [v, t(text)]), unit, (value) => set({ unit: value === "day" ? undefined : value, periods: undefined }))),
      select(t("看多久|How long"), PERIODS[unit].map((n) => [n, t(SPANS[unit], { n })]), state.periods ?? (unit === "day" ? 14 : PERIODS[unit][0]), (value) => set({ periods: Number(value) })),
      breakdownField(by, (breakdown) => set({ breakdown }), 1),
    ),
    filterSection(state, set),
  );
}

function percent(label, value, onChange) {
  const input = h("input", { class: "input narrow", type: "number", min: -100, max: 100, value, "aria-label": label, onChange: () => onChange(Number(input.value) || 0) });
  return h("span", { class: "row" }, input, h("span", { class: "muted" }, "%"));
}

const period = (n, unit) => (n === 0 ? t("当{unit}|{unit} 0", { unit: t(UNITS[unit]) }) : t("第 {n} {unit}|{unit} {n}", { n, unit: t(UNITS[unit]) }));

function view(result, body, by, users) {
  const { total } = result;
  const before = result.compare?.total;
  const last = total.sizes.reduce((found, size, n) => (size > 0 ? n : found), -1);
  const payersAt = (n) => (isBefore) => users("ltv", ofRange(body, isBefore), { period: n }, `${period(n, body.unit)} · ${t("已付费|have paid")}`);
  return [
    figures([
      ["size", t("用户|Users"), against(number, total.size, before?.size, { open: (isBefore) => users("ltv", ofRange(body, isBefore), {}, t("用户|Users")) })],
      ["ltv0", `${t("人均价值|Value per user")} ${period(0, body.unit)}`, against(fixed, total.ltv[0], before?.ltv[0], { open: payersAt(0) })],
      last > 0 ? ["ltv", `${t("人均价值|Value per user")} ${period(last, body.unit)}`, against(fixed, total.ltv[last], before?.ltv[last], { open: payersAt(last) })] : null,
      last >= 0 ? ["payers", `${t("已付费用户|Have paid")} ${period(last, body.unit)}`, payersLink(number(total.payers[last]), total, last, {}, t("合计（成熟）|Total (mature)"), body, users)] : null,
    ]),
    curve(result, body, by, users),
    by.length ? groups(result, body, by, users) : null,
    h("h3", { class: "sub" }, t("各批用户的累计人均价值|Cumulative value per user of each cohort")),
    cohorts(result, body, by, users),
    h("p", { class: "legend" }, t("空白的格子还没结束。合计只算已结束的批次；金额悬停可见总额与付费人数，点击查看已付费用户。|Empty cells have not ended. The total adds up ended ones only; point at a cell for revenue and payers, click for its payers.")),
  ];
}

function curve(result, body, by, users) {
  const colors = palette();
  const labels = result.total.ltv.map((_, n) => period(n, body.unit));
  const lines = by.length ? result.totals.map((g, i) => ({ name: rowName(g, by), key: rowKey(g, by), line: g, color: colors[i % colors.length] })) : [{ name: t("人均价值|Value per user"), line: result.total, color: colors[0] }];
  return chart(
    t("累计人均价值曲线：{list}|Cumulative value per user: {list}", { list: result.total.ltv.map((v, n) => `${labels[n]} ${fixed(v)}`).join(", ") }),
    () => {
      const option = timeOption({ labels, format: short, unit: t("人均价值|Value per user"), area: lines.length === 1, series: lines.map(({ name, key, line, color }) => ({ name, key, values: line.ltv, color })) });
      option.xAxis.axisLabel.formatter = (label) => label;
      option.grid.right = 28;
      option.tooltip = tooltip({
        trigger: "axis",
        formatter: (points) => {
          const n = points[0].dataIndex;
          return tip(labels[n], points.filter((p) => p.value !== null).map((p) => [p.color, p.seriesName, `${fixed(p.value)}  ${fixed(lines[p.seriesIndex].line.revenue[n])}/${number(lines[p.seriesIndex].line.sizes[n])}`]));
        },
      });
      return option;
    },
    {
      height: 240,
      onClick: (p) => {
        const { name, line } = lines[p.seriesIndex];
        users("ltv", body, { period: p.dataIndex, ...rowCell(line, by) }, `${name} ${labels[p.dataIndex]} · ${t("已付费|have paid")}`);
      },
    },
  );
}

/** A number of the total that opens those of its users who had paid by then. */
function payersLink(text, line, n, cell, name, body, users) {
  const title = `${name} ${period(n, body.unit)} · ${t("已付费|have paid")}`;
  const counted = `${fixed(line.revenue[n])} / ${number(line.sizes[n])} · ${t("{n} 人已付费|{n} have paid", { n: number(line.payers[n]) })}`;
  return h("button", { type: "button", class: "users-link", title: counted, "aria-label": `${title}: ${text}`, onClick: () => users("ltv", body, { ...cell, period: n }, title) }, text);
}

function groups(result, body, by, users) {
  return table(
    t("各组人均价值|Value per user by group"),
    [
      { name: "group", title: t("分组|Group"), cell: (g) => rowName(g, by), value: (g) => rowName(g, by) },
      { name: "size", title: t("用户|Users"), number: true, cell: (g) => usersLink(number(g.size), () => users("ltv", body, rowCell(g, by), rowName(g, by))), value: (g) => g.size },
      ...result.total.ltv.map((_, n) => ({ name: `p${n}`, title: period(n, body.unit), number: true, value: (g) => g.ltv[n], cell: (g) => (g.ltv[n] === null ? fixed(null) : payersLink(fixed(g.ltv[n]), g, n, rowCell(g, by), rowName(g, by), body, users)) })),
    ],
    result.totals,
  );
}

function cohorts(result, body, by, users) {
  const { total } = result;
  const most = Math.max(1e-9, ...result.cohorts.flatMap((line) => line.ltv.filter((v) => v !== null)));
  const cellOf = (line) => ({ cohort: line.cohort, ...rowCell(line, by) });
  const name = (line) => [line.cohort, by.length ? rowName(line, by) : ""].filter(Boolean).join(" · ");
  return h(
    "div",
    { class: "table-holder", tabindex: "0", role: "region", "aria-label": t("生命周期价值表|Table of lifetime values") },
    h(
      "table",
      { class: "cohorts" },
      h("caption", { class: "visually-hidden" }, t("每批用户的累计人均价值|Cumulative value per user of each cohort")),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("日期|Cohort")), h("th", { scope: "col", class: "number" }, t("用户|Users")), total.ltv.map((_, n) => h("th", { scope: "col", class: "period" }, period(n, body.unit))))),
      h(
        "tbody",
        {},
        h("tr", { class: "total" }, h("th", { scope: "row" }, t("合计（成熟）|Total (mature)")), h("td", { class: "number" }, usersLink(number(total.size), () => users("ltv", body, {}, t("用户|Users")))), total.ltv.map((v, n) => h("td", { class: "cell", dataset: { total: n } }, v === null ? fixed(v) : payersLink(fixed(v), total, n, {}, t("合计（成熟）|Total (mature)"), body, users)))),
        result.cohorts
          .filter((line) => !by.length || line.size > 0)
          .map((line) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, name(line)),
              h("td", { class: "number" }, usersLink(number(line.size), () => users("ltv", body, cellOf(line), name(line)))),
              line.ltv.map((value, n) =>
                h(
                  "td",
                  { class: "cell", dataset: { cell: `${name(line)}/${n}` } },
                  value === null
                    ? "–"
                    : h(
                        "button",
                        {
                          type: "button",
                          class: "heat",
                          style: { "--rate": Math.max(0, value / most).toFixed(3) },
                          title: `${fixed(line.revenue[n])} / ${number(line.size)} · ${t("{n} 人已付费|{n} have paid", { n: number(line.payers[n]) })}`,
                          "aria-label": `${name(line)} ${period(n, body.unit)}: ${fixed(value)}`,
                          onClick: () => users("ltv", body, { ...cellOf(line), period: n }, `${name(line)} ${period(n, body.unit)} · ${t("已付费|have paid")}`),
                        },
                        fixed(value),
                      ),
                ),
              ),
            ),
          ),
      ),
    ),
  );
}
