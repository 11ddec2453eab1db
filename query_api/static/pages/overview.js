// Overview: how is it going, against the period before; where from, on which pages, who buys.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { duration, fixed, number, rate, short, value } from "../format.js";
import { t } from "../i18n.js";
import { against, delta, figures, ofRange } from "../parts.js";
import { beforeTitle, common, filterSection, panel, partialFrom } from "../report.js";
import { groupTitle } from "../scene_names.js";
import { addressOf, shared } from "../state.js";
import { table, usersLink } from "../widgets.js";

/** What is seen first, in one question; sessions, which cost about as much as all of these together, are counted with the stay. */
const KPIS = [
  ["users", { event: "app_show", aggregate: "users" }, "访问用户|Users"],
  ["page_views", { event: "page_view", aggregate: "count" }, "页面浏览|Page views"],
  ["shares", { event: "share", aggregate: "count" }, "分享次数|Shares"],
  ["buyers", { event: "order_pay", aggregate: "users" }, "付费用户|Buyers"],
  ["orders", { event: "order_pay", aggregate: "count" }, "支付订单|Orders"],
  ["revenue", { event: "order_pay", aggregate: "sum", field: "properties.amount" }, "支付金额|Revenue"],
];

export default function overview({ state, set, has, users }) {
  const compare = state.compare ?? "previous_period";
  const body = {
    ...common(state),
    measures: KPIS.map(([as, measure]) => ({ ...measure, as })),
    interval: state.range === "today" || state.range === "yesterday" ? "hour" : "day",
    compare,
  };
  const chosen = state.kpi ?? "users";
  const key = panel({
    title: t("核心指标|Key figures"),
    report: "events",
    name: "overview",
    body,
    wide: true,
    isEmpty: (answer) => KPIS.every(([as]) => !answer.result.series[0].total[as]),
    render: (answer) => keyFigures(answer, chosen, body, set, users),
  });
  // The key figures have the machine for themselves: all six questions at once would make them the last.
  const after = key.answered;
  return h(
    "div",
    { class: "page-stack" },
    filterSection({ ...state, compare }, set, { compare: "always" }),
    key,
    h(
      "div",
      { class: "grid-2" },
      has("lifecycle") ? growth(state, compare, users, after) : null,
      has("scenes") ? scenes(state, users, after) : null,
      has("sessions") ? stay(state, compare, users, after) : null,
      ranking(state, users, { after, title: t("平台|Platforms"), field: "platform", event: "app_show", more: addressOf("events", { ...shared(state), measures: [{ event: "app_show", aggregate: "users" }], breakdown: ["platform"] }) }),
      ranking(state, users, {
        after,
        title: t("热门页面|Top pages"),
        wide: true,
        field: "page",
        event: "page_view",
        more: addressOf("events", { ...shared(state), measures: [{ event: "page_view", aggregate: "count" }], breakdown: ["page"] }),
      }),
    ),
  );
}

function keyFigures(answer, chosen, body, set, users) {
  const line = answer.result.series[0];
  const before = answer.result.compare.series[0];
  const open = (cell, title, isBefore = false) => users("events", ofRange(body, isBefore), cell, title);
  const labels = line.points.map((point) => point.time);
  const [, , name] = KPIS.find(([as]) => as === chosen) ?? KPIS[0];
  const colors = palette();
  return [
    h(
      "div",
      { class: "kpis", role: "group", "aria-label": t("核心指标|Key figures") },
      KPIS.map(([as, { aggregate }, title]) => {
        const show = aggregate === "sum" ? fixed : number;
        return h(
          "div",
          { class: `kpi ${as === chosen ? "chosen" : ""}`, dataset: { kpi: as } },
          h("button", { type: "button", class: "kpi-name", "aria-pressed": String(as === chosen), onClick: () => set({ kpi: as }) }, t(title)),
          h("div", { class: "kpi-value" }, usersLink(show(line.total[as]), () => open({ measure: as }, t(title)))),
          h("div", {}, delta(line.total[as], before.total[as], show, { open: () => open({ measure: as }, t(title), true) })),
        );
      }),
    ),
    chart(
      t("{name}的趋势，对比{before}|Trend of {name} against the {before}", { name: t(name), before: beforeTitle(body.compare).toLowerCase() }),
      () =>
        timeOption({
          labels,
          format: short,
          area: true,
          partial: partialFrom(labels, answer),
          series: [
            { name: t(name), key: "now", values: line.points.map((p) => p[chosen]) },
            ...(before.total[chosen] ? [{ name: beforeTitle(body.compare), key: "before", values: before.points.map((p) => p[chosen]).slice(0, labels.length), dashed: true, color: colors[8] }] : []),
          ],
        }),
      {
        height: 260,
        onClick: (point) => open({ measure: chosen, time: labels[point.dataIndex] }, `${t(name)} ${labels[point.dataIndex]}`),
      },
    ),
  ];
}

function growth(state, compare, users, after) {
  const body = { ...common(state), interval: "day", active: { event: "app_show" }, compare };
  return panel({
    title: t("新老用户|New and returning users"),
    report: "lifecycle",
    body,
    after,
    isEmpty: (answer) => answer.result.points.every((p) => p.active === 0),
    render: (answer) => {
      const { points } = answer.result;
      const labels = points.map((p) => p.time);
      const immature = points.findIndex((p) => !p.mature);
      const kinds = [
        ["new", t("新用户|New")],
        ["returning", t("连续活跃|Returning")],
        ["resurrected", t("回流|Resurrected")],
      ];
      const sum = (list) => list.reduce((all, p) => all + p.new, 0);
      const shown = sum(points);
      return [
        figures([["new", t("新用户|New users"), against(number, shown, sum(answer.result.compare.points), { open: (isBefore) => users("lifecycle", ofRange(body, isBefore), { state: "new" }, t("新用户|New users")) })]]),
        chart(t("每天的新用户、连续活跃与回流|New, returning and resurrected users by day"), () => timeOption({ labels, kind: "bar", stacked: true, unit: t("用户|Users"), partial: immature < 0 ? labels.length : immature, series: kinds.map(([key, name]) => ({ name, key, values: points.map((p) => p[key]) })) }), {
        name: "growth",
        height: 270,
        onClick: (p) => {
          const [stateName, name] = kinds[p.seriesIndex];
          users("lifecycle", body, { time: labels[p.dataIndex], state: stateName }, `${name} ${labels[p.dataIndex]}`);
        },
      }),
      ];
    },
  });
}

function stay(state, compare, users, after) {
  const body = { ...common(state), interval: "day", page_limit: 0, compare };
  return panel({
    title: t("会话与停留|Sessions and stay"),
    report: "sessions",
    body,
    after,
    actions: [h("a", { class: "more-link", href: addressOf("sessions", shared(state)) }, t("详情|Details"))],
    isEmpty: (answer) => !answer.result.series.length || answer.result.series[0].total.sessions === 0,
    render: (answer) => {
      const [line] = answer.result.series;
      const before = answer.result.compare.series[0]?.total ?? { sessions: null, median_duration_ms: null, mean_depth: null, bounce_rate: null };
      const labels = line.points.map((p) => p.time);
      const one = (name, title, show, { good = true, cell = {} } = {}) => [name, title, against(show, line.total[name], before[name], { good, open: (isBefore) => users("sessions", ofRange(body, isBefore), cell, title) })];
      return [
        figures([one("sessions", t("会话|Sessions"), number), one("median_duration_ms", t("停留中位数|Median stay"), duration), one("mean_depth", t("平均深度|Pages a session"), fixed), one("bounce_rate", t("跳出率|Bounce"), rate, { good: false, cell: { bounced: true } })]),
        chart(t("停留中位数的趋势|Trend of the median stay"), () => timeOption({ labels, area: true, format: duration, partial: partialFrom(labels, answer), series: [{ name: t("停留中位数|Median stay"), values: line.points.map((p) => p.median_duration_ms) }] }), {
          height: 200,
          onClick: (p) => users("sessions", body, { time: labels[p.dataIndex] }, `${t("用户|Users")} ${labels[p.dataIndex]}`),
        }),
      ];
    },
  });
}

function scenes(state, users, after) {
  const body = { ...common(state), by: "group" };
  return panel({
    title: t("新用户从哪里来|Where new users come from"),
    report: "scenes",
    body,
    after,
    actions: [h("a", { class: "more-link", href: addressOf("scenes", { ...shared(state), metric: "new_users" }) }, t("详情|Details"))],
    isEmpty: (answer) => answer.result.rows.length === 0,
    render: (answer) => {
      const rows = [...answer.result.rows].sort((a, b) => b.new_users - a.new_users || b.users - a.users).slice(0, 8);
      const most = Math.max(1, ...rows.map((r) => r.new_users));
      const { total } = answer.result;
      const open = (r, metric) => () => users("scenes", body, { metric, scene_group: r.scene_group }, groupTitle(r.scene_group));
      return [
        figures([
          ["new_users", t("新用户|New users"), usersLink(number(total.new_users), () => users("scenes", body, { metric: "new_users" }, t("新用户|New users")))],
          ["next_day", t("次日留存|Next day"), usersLink(rate(total.next_day_retention), () => users("scenes", body, { metric: "next_day_returned" }, t("次日留存|Next day")))],
        ]),
        table(
          t("入口分组|Entry groups"),
          [
            { name: "group", title: t("场景分组|Group"), cell: (r) => withBar(h("a", { href: addressOf("scenes", { ...shared(state), metric: "new_users", group: r.scene_group }) }, groupTitle(r.scene_group)), r.new_users / most) },
            { name: "new", title: t("新用户|New"), number: true, cell: (r) => usersLink(number(r.new_users), open(r, "new_users")) },
            { name: "users", title: t("用户|Users"), number: true, cell: (r) => usersLink(number(r.users), open(r, "users")) },
            { name: "stay", title: t("停留|Stay"), number: true, cell: (r) => usersLink(duration(r.median_stay_ms), open(r, "sessions")) },
            { name: "back", title: t("次日留存|Next day"), number: true, cell: (r) => usersLink(rate(r.next_day_retention), open(r, "next_day_returned")) },
          ],
          rows,
        ),
      ];
    },
  });
}

export function withBar(text, share) {
  return h("span", { class: "bar-cell" }, h("span", { class: "bar-fill", style: { width: `${Math.max(0, Math.min(1, share)) * 100}%` } }), h("span", { class: "bar-text" }, text));
}

function ranking(state, users, { title, field, event, more, after, wide = false }) {
  const body = {
    ...common(state),
    measures: [
      { event, aggregate: "count", as: "A" },
      { event, aggregate: "users", as: "B" },
    ],
    interval: null,
    breakdown: [field],
    breakdown_limit: 8,
  };
  return panel({
    title,
    report: "events",
    body,
    name: `top-${field}`,
    after,
    wide,
    actions: [h("a", { class: "more-link", href: more }, t("详情|Details"))],
    isEmpty: (answer) => answer.result.series.length === 0,
    render: (answer) => {
      const rows = answer.result.series;
      const most = Math.max(1, ...rows.filter((r) => !r.other).map((r) => r.total.A));
      const cell = (r) => (r.other ? { other: true } : { breakdown: r.breakdown });
      const name = (r) => (r.other ? t("其他|Other") : value(field, r.breakdown[field]));
      return table(
        title,
        [
          { name: field, title, cell: (r) => withBar(name(r), r.other ? 0 : r.total.A / most) },
          { name: "A", title: t("次数|Events"), number: true, cell: (r) => usersLink(number(r.total.A), () => users("events", body, { measure: "A", ...cell(r) }, name(r))) },
          { name: "B", title: t("用户|Users"), number: true, cell: (r) => usersLink(number(r.total.B), () => users("events", body, { measure: "B", ...cell(r) }, name(r))) },
        ],
        rows,
      );
    },
  });
}

