// Summary: the report of each day, week, month or quarter, beside the period before and a year before, with holidays.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { changeSize, day, duration, fixed, number, short } from "../format.js";
import { t } from "../i18n.js";
import { delta, labelled, selector } from "../parts.js";
import { eventPicker } from "../pickers.js";
import { common, filterSection, panel } from "../report.js";
import { dialog, segmented, select, table, usersLink } from "../widgets.js";

/** name, title, how it is shown, the metric of the users behind it. */
const NUMBERS = [
  ["users", "访问用户|Users", number, "users"],
  ["new_users", "新用户|New users", number, "new_users"],
  ["sessions", "会话|Sessions", number, "sessions"],
  ["average_stay_ms", "平均停留|Mean stay", duration, "sessions"],
  ["page_views", "页面浏览|Page views", number, "page_views"],
  ["shares", "分享次数|Shares", number, "sharers"],
  ["sharers", "分享者|Sharers", number, "sharers"],
  ["orders", "订单|Orders", number, "payers"],
  ["payers", "付费用户|Buyers", number, "payers"],
  ["revenue", "金额|Revenue", fixed, "payers"],
  ["revenue_per_order", "客单价|Per order", fixed, "payers"],
];
const INTERVALS = [
  ["day", "日报|Daily"],
  ["week", "周报|Weekly"],
  ["month", "月报|Monthly"],
  ["quarter", "季报|Quarterly"],
];
const BEFORE = { day: "前一天|day before", week: "前一周|week before", month: "上月|month before", quarter: "上季度|quarter before" };
const DAY_TYPES = {
  workday: "工作日|Workday",
  weekend: "周末|Weekend",
  holiday: "法定假日|Public holiday",
  adjusted_workday: "调休上班|Working weekend day",
};

export default function summary({ state, set, users }) {
  const interval = state.interval ?? "day";
  const body = {
    ...common(state),
    interval,
    ...(state.active ? { active: selector({ event: state.active }) } : {}),
    ...(state.order ? { order: { event: state.order } } : {}),
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("报告条件|Summary builder") },
      h(
        "div",
        { class: "builder-row" },
        labelled(t("报告|Report"), segmented(t("报告|Report"), INTERVALS.map(([v, text]) => [v, t(text)]), interval, (value) => set({ interval: value === "day" ? undefined : value, time: undefined }))),
        labelled(t("活跃行为|Active means"), eventPicker(t("活跃行为|Active means"), state.active ?? "", (active) => set({ active: active || undefined }), { any: true })),
        labelled(t("订单事件|Order"), eventPicker(t("订单事件|Order"), state.order ?? "order_pay", (order) => set({ order: order === "order_pay" ? undefined : order }))),
      ),
      filterSection(state, set, { compare: "" }),
    ),
    panel({
      title: t(INTERVALS.find(([v]) => v === interval)[1]),
      report: "summary",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.points.every((p) => p.users === 0),
      render: (answer) => view(answer.result, body, state, set, users),
    }),
  );
}

/** The last period that has ended, else the last. */
function chosenPoint(points, time) {
  return points.find((p) => p.time === time) ?? points.findLast((p) => p.mature) ?? points[points.length - 1];
}

const label = (point, interval) => (interval === "day" ? day(point.time, true) : interval === "month" ? point.time.slice(0, 7) : interval === "quarter" ? `${point.time.slice(0, 4)} Q${Math.ceil(Number(point.time.slice(5, 7)) / 3)}` : t("{day} 起的一周|week of {day}", { day: point.time }));

function view(result, body, state, set, users) {
  const { points } = result;
  const { interval } = body;
  const chosen = chosenPoint(points, state.time);
  const [name, title, show] = NUMBERS.find(([key]) => key === state.metric) ?? NUMBERS[0];
  const open = (point, metric, text) => users("summary", body, { time: point.time, metric }, `${text} ${label(point, interval)}`);
  return [
    h(
      "div",
      { class: "row" },
      select(t("哪一期|Period"), [...points].reverse().map((p) => [p.time, label(p, interval) + (p.mature ? "" : ` ${t("（未结束）|(open)")}`)]), chosen.time, (time) => set({ time }), { hidden: true }),
      kindOf(chosen, interval),
      chosen.mature ? null : h("span", { class: "badge warn" }, t("这一期还没结束，不作对比|has not ended: not compared")),
    ),
    h(
      "div",
      { class: "kpis roomy", role: "group", "aria-label": t("报告指标|Figures of the report") },
      NUMBERS.map(([key, text, shown, metric]) =>
        h(
          "div",
          { class: `kpi ${key === name ? "chosen" : ""}`, dataset: { kpi: key } },
          h("button", { type: "button", class: "kpi-name", "aria-pressed": String(key === name), onClick: () => set({ metric: key === "users" ? undefined : key }) }, t(text)),
          h("div", { class: "kpi-value" }, usersLink(shown(chosen[key]), () => open(chosen, metric, t(text)))),
          chosen.mature
            ? [
                h("div", {}, compared(chosen, chosen.previous_period, key, shown, t(BEFORE[interval]), (then) => open(then, metric, t(text)))),
                chosen.previous_year.users ? h("div", {}, compared(chosen, chosen.previous_year, key, shown, t("去年|year before"), (then) => open(then, metric, t(text)))) : null,
              ]
            : null,
        ),
      ),
    ),
    trend(points, name, t(title), show, interval, state, set),
    h("h3", { class: "sub" }, t("各期明细|All periods")),
    table(
      t("各期明细|All periods"),
      [
        { name: "time", title: t("时间|Time"), cell: (p) => [h("span", { class: "day" }, label(p, interval)), " ", p.day_type === "weekend" ? null : kindOf(p, interval), p.mature ? null : h("span", { class: "badge warn" }, t("未结束|open"))], value: (p) => p.time },
        ...NUMBERS.map(([key, text, shown, metric]) => ({
          name: key,
          title: t(text),
          number: true,
          value: (p) => p[key],
          cell: (p) => [usersLink(shown(p[key]), () => open(p, metric, t(text))), small(p.previous_period.change[key])],
        })),
      ],
      points,
      { sorted: { name: "time", down: true } },
    ),
    result.day_types?.length ? dayTypes(result.day_types, points, open) : null,
  ];
}

/** What a number was in another period. open(then): its users there. */
function compared(now, then, key, show, title, open) {
  return delta(now[key], then[key], show, { title, none: `${title} –`, open: () => open(then) });
}

/** The change in whole percents; one that rounds to none has no sign. */
function small(ratio) {
  if (ratio === null) return null;
  if (Math.abs(ratio) < 0.005) return h("span", { class: "kpi-change" }, ` ${changeSize(0, 0)}`);
  const text = changeSize(ratio, 0);
  return h("span", { class: `kpi-change ${ratio > 0 ? "up" : "down"}` }, ` ${text.startsWith(">") ? "" : ratio > 0 ? "+" : "−"}${text}`);
}

/** What the holiday calendar says. */
function kindOf(point, interval) {
  if (interval !== "day") {
    if (!point.days) return null;
    const holidays = point.days.holiday;
    return holidays ? h("span", { class: "badge" }, t("含 {n} 天假日|{n} holidays", { n: holidays })) : null;
  }
  if (!point.day_type || point.day_type === "workday") return null;
  const special = point.day_type === "holiday" || point.day_type === "adjusted_workday";
  return h("span", { class: `badge ${special ? "warn" : ""}` }, point.holiday && special ? `${point.holiday} ${t(DAY_TYPES[point.day_type])}` : t(DAY_TYPES[point.day_type]));
}

function trend(points, name, title, show, interval, state, set) {
  const labels = points.map((p) => p.time);
  const immature = points.findIndex((p) => !p.mature);
  const colors = palette();
  const hadYear = points.some((p) => p.previous_year[name]);
  return chart(
    t("{name}的趋势|Trend: {name}", { name: title }),
    () =>
      timeOption({
        labels,
        kind: interval === "day" ? "line" : "bar",
        area: true,
        format: show === duration ? duration : short,
        partial: immature < 0 ? labels.length : immature,
        series: [
          { name: title, key: "now", values: points.map((p) => p[name]), color: colors[0] },
          ...(hadYear ? [{ name: t("去年同期|Year before"), key: "before", values: points.map((p) => p.previous_year[name]), color: colors[8], dashed: true }] : []),
        ],
      }),
    { height: 240, onClick: (p) => set({ time: labels[p.dataIndex] }) },
  );
}

/** Means of a day by what the calendar says; each opens the days that it is of, with their users. open(point, metric, title): users. */
function dayTypes(rows, points, open) {
  const days = (r, key, text, show, metric) => {
    const list = points.filter((p) => p.day_type === r.day_type && (p.holiday ?? null) === r.holiday);
    dialog(`${t(DAY_TYPES[r.day_type])} ${r.holiday ?? ""} · ${t(text)}`, h("ul", { class: "users-list" }, list.map((p) => h("li", {}, `${label(p, "day")}: `, usersLink(show(p[key]), () => open(p, metric, t(text)))))));
  };
  const mean = (key, text, metric, show, digits, valueOf) => ({ name: key, title: t(text), number: true, value: valueOf, cell: (r) => usersLink(fixed(valueOf(r), digits), () => days(r, key, text, show, metric)) });
  return [
    h("h3", { class: "sub" }, t("工作日、周末与假日|Workdays, weekends and holidays")),
    table(
      t("工作日、周末与假日|Workdays, weekends and holidays"),
      [
        { name: "type", title: t("日子|Days"), cell: (r) => [t(DAY_TYPES[r.day_type]), r.holiday ? ` ${r.holiday}` : ""], value: (r) => r.day_type },
        { name: "days", title: t("天数|Number"), number: true, cell: (r) => number(r.days), value: (r) => r.days },
        mean("users", "日均用户|Users a day", "users", number, 1, (r) => r.users_per_day),
        ...[
          ["new_users", "日均新用户|New a day", "new_users", number, 1],
          ["sessions", "日均会话|Sessions a day", "sessions", number, 1],
          ["shares", "日均分享|Shares a day", "sharers", number, 1],
          ["orders", "日均订单|Orders a day", "payers", number, 1],
          ["revenue", "日均金额|Revenue a day", "payers", fixed, 2],
        ].map(([key, text, metric, show, digits]) => mean(key, text, metric, show, digits, (r) => r[key] / r.days)),
      ],
      rows,
    ),
  ];
}
