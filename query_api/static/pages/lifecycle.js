// Lifecycle: new, returning, resurrected and dormant users by period.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { forApi, filterBuilder } from "../filters.js";
import { day, number } from "../format.js";
import { t } from "../i18n.js";
import { eventPicker } from "../pickers.js";
import { common, filterSection, panel, wholeRange } from "../report.js";
import { segmented, table, usersLink } from "../widgets.js";

const STATES = [
  ["new", "新用户|New", 2],
  ["returning", "连续活跃|Returning", 0],
  ["resurrected", "回流|Resurrected", 5],
  ["dormant", "沉默|Dormant", 7],
];

export default function lifecycle({ state, set, users }) {
  const active = { event: "app_show", ...(state.active ?? {}) };
  const filter = forApi(active.filter);
  const interval = state.interval ?? "day";
  const body = { ...common(state), interval, active: { ...(active.event ? { event: active.event } : {}), ...(filter ? { filter } : {}) } };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("生命周期条件|Lifecycle builder") },
      h(
        "div",
        { class: "builder-row" },
        h(
          "div",
          { class: "field" },
          h("span", { class: "label" }, t("活跃行为|Active means")),
          h("div", { class: "step-line" }, eventPicker(t("活跃行为|Active event"), active.event, (event) => set({ active: { event } }), { any: true }), filterBuilder(t("活跃行为的条件|Conditions"), active.filter, (f) => set({ active: { ...active, filter: f } }), { event: active.event, common: wholeRange(state), depth: 3 })),
        ),
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
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("生命周期|Lifecycle"),
      report: "lifecycle",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.points.every((p) => p.active === 0),
      render: (answer) => view(answer, body, users),
    }),
  );
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
          partial: immature < 0 ? labels.length : immature,
          format: (v) => number(Math.abs(v)),
          series: STATES.map(([key, title, color]) => ({ name: t(title), color: colors[color], values: points.map((p) => (key === "dormant" ? -p.dormant : p[key])) })),
        }),
      { height: 320, onClick: (p) => open(points[p.dataIndex], STATES[p.seriesIndex][0], t(STATES[p.seriesIndex][1])) },
    ),
    table(
      t("生命周期明细|Lifecycle by period"),
      [
        { name: "time", title: t("时间|Time"), cell: (p) => [day(p.time, true), p.mature ? null : h("span", { class: "badge warn" }, t("未结束|open"))], value: (p) => p.time },
        { name: "active", title: t("活跃|Active"), number: true, value: (p) => p.active, cell: (p) => usersLink(number(p.active), () => open(p, "active", t("活跃|Active"))) },
        ...STATES.map(([key, title]) => ({ name: key, title: t(title), number: true, value: (p) => p[key], cell: (p) => usersLink(number(p[key]), () => open(p, key, t(title))) })),
        { name: "growth", title: t("增长指数|Growth index"), number: true, value: (p) => p.growth_index, cell: (p) => h("span", { title: `${number(p.growth_index_numerator)} / ${number(p.growth_index_denominator)}` }, number(p.growth_index, 2)) },
      ],
      points,
      { sorted: { name: "time", down: true } },
    ),
  ];
}
