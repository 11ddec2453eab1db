// Lifecycle: new, returning, resurrected and dormant users by period.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { day, fixed, number } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, eventField, figures, ofRange, rowCell, rowKey, rowName, selector } from "../parts.js";
import { fieldFace } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { segmented, table, usersLink } from "../widgets.js";

const STATES = [
  ["new", "新用户|New", 2],
  ["returning", "连续活跃|Returning", 0],
  ["resurrected", "回流|Resurrected", 5],
  ["dormant", "沉默|Dormant", 7],
];

export default function lifecycle({ state, set, users }) {
  const active = { event: "app_show", ...(state.active ?? {}) };
  const by = state.breakdown ?? [];
  const interval = state.interval ?? "day";
  const body = { ...common(state), interval, active: selector(active), ...brokenDown(by), ...compared(state) };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("生命周期条件|Lifecycle builder") },
      h(
        "div",
        { class: "builder-row" },
        eventField(t("活跃行为|Active means"), active, state, (value) => set({ active: value }), true),
        h(
          "div",
          { class: "field" },
          h("span", { class: "label" }, t("粒度|Interval")),
          segmented(
            t("粒度|Interval"),
            [
              ["day", t("天|day")],
              ["week", t("周|week")],
              ["month", t("月|month")],
            ],
            interval,
            (value) => set({ interval: value === "day" ? undefined : value }),
          ),
        ),
        breakdownField(by, (breakdown) => set({ breakdown })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("生命周期|Lifecycle"),
      report: "lifecycle",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.points.every((p) => p.active === 0),
      render: (answer) => [state.compare ? sums(answer.result, body, users) : null, view(answer, body, users), by.length ? groups(answer.result, body, by, users) : null],
    }),
  );
}

/** The states of all periods together against the range before: persons count once in each period. */
function sums({ points, compare }, body, users) {
  const sum = (list, key) => list.reduce((all, p) => all + p[key], 0);
  return figures(STATES.map(([key, title]) => [key, `${t(title)} ${t("（各期相加）|(periods added)")}`, against(number, sum(points, key), sum(compare.points, key), { good: key !== "dormant", open: (isBefore) => users("lifecycle", ofRange(body, isBefore), { state: key }, `${t(title)} · ${t("每人只列一次|each listed once")}`) })]));
}

/** The last period that has ended, for each value of the breakdown. */
function groups({ series }, body, by, users) {
  const last = (line) => line.points.findLast((p) => p.mature) ?? line.points[line.points.length - 1];
  const time = last(series[0]).time;
  const open = (line, state, title) => users("lifecycle", body, { time, state, ...rowCell(line, by) }, `${rowName(line, by)} · ${title} ${time}`);
  const column = (key, title) => ({ name: key, title, number: true, value: (line) => last(line)[key], cell: (line) => usersLink(number(last(line)[key]), () => open(line, key, title)) });
  const colors = palette();
  const lines = series.slice(0, 8);
  const labels = series[0].points.map((p) => p.time);
  const immature = series[0].points.findIndex((p) => !p.mature);
  return [
    h("h3", { class: "sub" }, t("各组活跃用户|Active users by group")),
    chart(t("各组活跃用户的趋势|Trend of active users by group"), () => timeOption({ labels, unit: t("活跃|Active"), partial: immature < 0 ? labels.length : immature, series: lines.map((line, i) => ({ name: rowName(line, by), key: rowKey(line, by), color: colors[i % colors.length], values: line.points.map((p) => p.active) })) }), {
      name: "groups",
      height: 220,
      onClick: (p) => {
        const line = lines.find((one) => rowName(one, by) === p.seriesName);
        users("lifecycle", body, { time: labels[p.dataIndex], state: "active", ...rowCell(line, by) }, `${p.seriesName} ${labels[p.dataIndex]}`);
      },
    }),
    h("h3", { class: "sub" }, t("{time} 各组|Groups, {time}", { time: day(time, true) })),
    table(
      t("各组|Groups"),
      [{ name: "group", title: by.map(fieldFace).join(" / "), cell: (line) => rowName(line, by), value: (line) => rowName(line, by) }, column("active", t("活跃|Active")), ...STATES.map(([key, title]) => column(key, t(title)))],
      series,
    ),
  ];
}

function view(answer, body, users) {
  const { points } = answer.result;
  const labels = points.map((p) => p.time);
  const colors = palette();
  const open = (p, name, title) => users("lifecycle", body, { time: p.time, state: name }, `${title} ${p.time}`);
  const immature = points.findIndex((p) => !p.mature);
  return [
    chart(
      t("各期新用户、连续活跃、回流与沉默|New, returning, resurrected and dormant users by period"),
      () =>
        timeOption({
          labels,
          kind: "bar",
          stacked: true,
          unit: t("用户|Users"),
          partial: immature < 0 ? labels.length : immature,
          format: (v) => number(Math.abs(v)),
          series: STATES.map(([key, title, color]) => ({ name: t(title), key, color: colors[color], values: points.map((p) => (key === "dormant" ? -p.dormant : p[key])) })),
        }),
      { height: 320, onClick: (p) => open(points[p.dataIndex], STATES[p.seriesIndex][0], t(STATES[p.seriesIndex][1])) },
    ),
    table(
      t("生命周期明细|Lifecycle by period"),
      [
        { name: "time", title: t("时间|Time"), cell: (p) => [day(p.time, true), p.mature ? null : h("span", { class: "badge warn" }, t("未结束|open"))], value: (p) => p.time },
        { name: "active", title: t("活跃|Active"), number: true, value: (p) => p.active, cell: (p) => usersLink(number(p.active), () => open(p, "active", t("活跃|Active"))) },
        ...STATES.map(([key, title]) => ({ name: key, title: t(title), number: true, value: (p) => p[key], cell: (p) => usersLink(number(p[key]), () => open(p, key, t(title))) })),
        { name: "growth", title: t("增长指数|Growth index"), number: true, value: (p) => p.growth_index, cell: (p) => h("span", { title: `${number(p.growth_index_numerator)} / ${number(p.growth_index_denominator)}` }, usersLink(fixed(p.growth_index), () => open(p, "gained", t("新用户与回流|New and resurrected")))) },
      ],
      points,
      { sorted: { name: "time", down: true } },
    ),
  ];
}
