// Sessions: how many, how long, how deep; where they begin and end.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { duration, fixed, number, rate, short } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, delta, ofRange, rowCell, rowKey, rowName } from "../parts.js";
import { fieldFace } from "../pickers.js";
import { beforeTitle, common, compared, filterSection, panel, partialFrom } from "../report.js";
import { countDays, days } from "../state.js";
import { segmented, table, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

const MEASURES = [
  ["sessions", "会话数|Sessions", number],
  ["users", "用户|Users", number],
  ["sessions_per_user", "人均会话|Per user", fixed],
  ["median_duration_ms", "时长中位数|Median duration", duration],
  ["mean_duration_ms", "平均时长|Mean duration", duration],
  ["p90_duration_ms", "时长 90 分位|p90 duration", duration],
  ["mean_depth", "平均深度|Pages per session", fixed],
  ["bounce_rate", "跳出率|Bounce", rate],
];

/** The sessions behind a measure: all of them, or those that bounced. */
const cellOf = (measure) => (measure === "bounce_rate" ? { bounced: true } : {});

export default function sessions({ state, set, users }) {
  const measure = MEASURES.find(([name]) => name === state.measure) ?? MEASURES[0];
  const interval = state.interval ?? (countDays(days(state.range)) <= 2 ? "hour" : "day");
  const by = state.breakdown ?? [];
  const body = { ...common(state), interval, ...brokenDown(by), ...compared(state) };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("会话条件|Sessions builder") },
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
            ],
            interval,
            (value) => set({ interval: value }),
          ),
        ),
        breakdownField(by, (breakdown) => set({ breakdown })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("会话|Sessions"),
      report: "sessions",
      body,
      wide: true,
      isEmpty: (answer) => !answer.result.series.length || answer.result.series.every((line) => line.total.sessions === 0),
      render: (answer) => (by.length ? groups(answer, measure, body, by, set, users) : view(answer, measure, body, set, users)),
    }),
  );
}

function view(answer, [name, title, format], body, set, users) {
  const [line] = answer.result.series;
  const before = answer.result.compare?.series[0];
  const colors = palette();
  const labels = line.points.map((p) => p.time);
  return [
    h(
      "div",
      { class: `kpis ${before ? "roomy" : ""}`, role: "group", "aria-label": t("会话指标|Session figures") },
      MEASURES.map(([key, text, show]) =>
        h(
          "div",
          { class: `kpi ${key === name ? "chosen" : ""}`, dataset: { kpi: key } },
          h("button", { type: "button", class: "kpi-name", "aria-pressed": String(key === name), onClick: () => set({ measure: key }) }, t(text)),
          h("div", { class: "kpi-value" }, usersLink(show(line.total[key]), () => users("sessions", body, cellOf(key), t(text)))),
          before ? h("div", {}, delta(line.total[key], before.total[key], show, { good: key !== "bounce_rate", open: () => users("sessions", ofRange(body, true), cellOf(key), t(text)) })) : null,
        ),
      ),
    ),
    chart(
      t("{name}的趋势|Trend: {name}", { name: t(title) }),
      () => timeOption({ labels, area: true, format: format === number ? short : format, partial: partialFrom(labels, answer), series: [{ name: t(title), key: "now", values: line.points.map((p) => p[name]), color: colors[0] }, ...(before ? [{ name: beforeTitle(body.compare), key: "before", values: before.points.map((p) => p[name]).slice(0, labels.length), dashed: true, color: colors[8] }] : [])] }),
      { height: 240, onClick: (p) => users("sessions", body, { time: labels[p.dataIndex] }, `${t("用户|Users")} ${labels[p.dataIndex]}`) },
    ),
    h(
      "div",
      { class: "grid-2" },
      histogram(t("时长分布|Durations"), line.durations, (b) => (b.to_ms === null || b.to_ms === undefined ? `≥ ${duration(b.from_ms)}` : `${duration(b.from_ms)} – ${duration(b.to_ms)}`), (b) => ({ duration_bucket: b.bucket }), body, users),
      histogram(t("深度分布（页面数）|Depth (pages)"), line.depths, (b) => (b.to === null || b.to === undefined ? `≥ ${b.from}` : b.to - b.from === 1 ? String(b.from) : `${b.from} – ${b.to - 1}`), (b) => ({ depth_bucket: b.bucket }), body, users),
      pages(t("入口页|Entry pages"), answer.result.entry_pages, "entries", "entry_page", [["bounce_rate", t("跳出率|Bounce"), rate, (r) => ({ entry_page: r.page, bounced: true })]], body, users),
      pages(
        t("退出页|Exit pages"),
        answer.result.exit_pages,
        "exits",
        "exit_page",
        [
          ["views", t("浏览|Views"), number, (r) => ({ viewed_page: r.page })],
          ["exit_rate", t("退出率|Exit rate"), rate, (r) => ({ exit_page: r.page })],
        ],
        body,
        users,
      ),
    ),
  ];
}

/** The rows of a breakdown: a line for each, and their figures. */
function groups(answer, [name, title, format], body, by, set, users) {
  const { series, compare } = answer.result;
  const lines = series.slice(0, 10);
  const labels = series[0].points.map((p) => p.time);
  const colors = palette();
  const beforeOf = (line) => compare?.series.find((other) => rowName(other, by) === rowName(line, by));
  return [
    h("div", { class: "kpis", role: "group", "aria-label": t("会话指标|Session figures") }, MEASURES.map(([key, text]) => h("div", { class: `kpi ${key === name ? "chosen" : ""}` }, h("button", { type: "button", class: "kpi-name", "aria-pressed": String(key === name), onClick: () => set({ measure: key }) }, t(text))))),
    chart(t("{name}的趋势|Trend: {name}", { name: t(title) }), () => timeOption({ labels, unit: t(title), format: format === number ? short : format, partial: partialFrom(labels, answer), series: lines.map((line, i) => ({ name: rowName(line, by), key: rowKey(line, by), color: colors[i % colors.length], values: line.points.map((p) => p[name]) })) }), {
      height: 260,
      onClick: (p) => {
        const line = lines.find((one) => rowName(one, by) === p.seriesName);
        users("sessions", body, { time: labels[p.dataIndex], ...rowCell(line, by) }, `${p.seriesName} ${labels[p.dataIndex]}`);
      },
    }),
    table(
      t("各组会话|Sessions by group"),
      [
        { name: "group", title: by.map(fieldFace).join(" / "), cell: (line) => rowName(line, by), value: (line) => rowName(line, by) },
        ...MEASURES.map(([key, text, show]) => ({
          name: key,
          title: t(text),
          number: true,
          value: (line) => line.total[key],
          cell: (line) => {
            const before = beforeOf(line);
            return against(show, line.total[key], before?.total[key], { good: key !== "bounce_rate", open: (isBefore) => users("sessions", ofRange(body, isBefore), { ...cellOf(key), ...rowCell(line, by) }, `${rowName(line, by)} · ${t(text)}`) });
          },
        })),
      ],
      series,
    ),
  ];
}

function histogram(title, buckets, label, cell, body, users) {
  const colors = palette();
  const names = buckets.map(label);
  return h(
    "div",
    {},
    h("h3", { class: "sub" }, title),
    chart(
      `${title}: ${buckets.map((b, i) => `${names[i]} ${rate(b.share)}`).join(", ")}`,
      () => {
        const option = timeOption({ labels: names, kind: "bar", series: [{ name: t("会话|Sessions"), values: buckets.map((b) => b.sessions), color: colors[0] }] });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: ([p]) => tip(names[p.dataIndex], [[p.color, t("会话|Sessions"), `${number(p.value)} · ${rate(buckets[p.dataIndex].share)}`], [null, t("用户|Users"), number(buckets[p.dataIndex].users)]]) });
        return option;
      },
      { height: 200, onClick: (p) => users("sessions", body, cell(buckets[p.dataIndex]), `${title} ${names[p.dataIndex]}`) },
    ),
  );
}

/** Pages by the sessions that begin or end there. more: [name, title, show, cell(row)] of further columns. */
function pages(title, rows, counted, cell, more, body, users) {
  const most = Math.max(1, ...rows.map((r) => r[counted]));
  return h(
    "div",
    {},
    h("h3", { class: "sub" }, title),
    table(
      title,
      [
        { name: "page", title: t("页面|Page"), cell: (r) => withBar(r.page, r[counted] / most), value: (r) => r.page },
        { name: "n", title: t("会话|Sessions"), number: true, cell: (r) => usersLink(number(r[counted]), () => users("sessions", body, { [cell]: r.page }, `${title} ${r.page}`)), value: (r) => r[counted] },
        { name: "users", title: t("用户|Users"), number: true, value: (r) => r.users, cell: (r) => usersLink(number(r.users), () => users("sessions", body, { [cell]: r.page }, `${title} ${r.page}`)) },
        ...more.map(([name, text, show, cellOfRow]) => ({ name, title: text, number: true, value: (r) => r[name], cell: (r) => usersLink(show(r[name]), () => users("sessions", body, cellOfRow(r), `${r.page} · ${text}`)) })),
      ],
      rows,
      { name: cell, limit: 12, sorted: { name: "n", down: true } },
    ),
  );
}
