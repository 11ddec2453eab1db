// How often, how many days, after how long: stickiness, distribution and interval, each a histogram with its users.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { amount, columnFormat, duration, fixed, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, eventField, figures, labelled, ofRange, rowCell, rowKey, rowName, selector } from "../parts.js";
import { fieldFace, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel, partialFrom } from "../report.js";
import { segmented, select, table, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

/** Bars and a table of buckets. name(bucket); counted: what the bars show; open(bucket): its users. */
function histogram(title, buckets, { name, counted = "users", countedTitle = t("用户|Users"), open, extra = [] }) {
  const labels = buckets.map(name);
  const colors = palette();
  const most = Math.max(1, ...buckets.map((b) => b[counted]));
  return [
    chart(
      `${title}: ${buckets.map((b, i) => `${labels[i]} ${rate(b.share)}`).join(", ")}`,
      () => {
        const option = timeOption({ labels, kind: "bar", series: [{ name: countedTitle, values: buckets.map((b) => b[counted]), color: colors[0] }] });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: ([p]) => tip(labels[p.dataIndex], [[p.color, countedTitle, `${number(p.value)} · ${rate(buckets[p.dataIndex].share)}`]]) });
        return option;
      },
      { height: 260, onClick: (p) => open(buckets[p.dataIndex], labels[p.dataIndex]) },
    ),
    table(
      title,
      [
        { name: "bucket", title, cell: (b) => withBar(name(b), b[counted] / most) },
        ...(counted === "users" ? [] : [{ name: "counted", title: countedTitle, number: true, cell: (b) => usersLink(number(b[counted]), () => open(b, name(b))) }]),
        { name: "users", title: t("用户|Users"), number: true, cell: (b) => usersLink(number(b.users), () => open(b, name(b))) },
        { name: "share", title: t("占比|Share"), number: true, cell: (b) => usersLink(rate(b.share), () => open(b, name(b))) },
        ...extra,
      ],
      buckets,
    ),
  ];
}

const asked = (state) => ({ ...common(state), ...brokenDown(state.breakdown), ...compared(state) });

/** Figures over all users of an answer, whom each of them opens. list: [name, title, show]. */
function ofEveryone(report, body, now, before, users, list) {
  return figures(list.map(([name, title, show]) => [name, title, against(show, now[name], before?.[name], { open: (isBefore) => users(report, ofRange(body, isBefore), {}, title) })]));
}

/** The series of the range before that has the same name. */
const earlier = (result, line, by) => result.compare?.series.find((other) => rowName(other, by) === rowName(line, by));

/**
 * The rows of a breakdown: shares of the buckets side by side, and the figures of each row.
 *
 * bucketsOf(line), name(bucket); columns: [name, title, value(line), show]; open(cell, title, isBefore): users.
 */
function groups(result, by, { title, bucketsOf, name, columns, open, usersOf }) {
  const { series } = result;
  const colors = palette();
  const longest = series.reduce((most, line) => (bucketsOf(line).length > most.length ? bucketsOf(line) : most), []);
  const labels = longest.map(name);
  const lines = series.slice(0, 8);
  const one = columns.map(([key, text, valueOf, show]) => ({
    name: key,
    title: text,
    number: true,
    value: valueOf,
    cell: (line) => {
      const before = earlier(result, line, by);
      return against(show ?? columnFormat(series.map(valueOf)), valueOf(line), before ? valueOf(before) : undefined, { open: (isBefore) => open(rowCell(line, by), `${rowName(line, by)} · ${text}`, isBefore) });
    },
  }));
  return [
    chart(
      `${title}: ${lines.map((line) => rowName(line, by)).join(", ")}`,
      () => {
        const option = timeOption({ labels, kind: "bar", format: (v) => rate(v, 0), series: lines.map((line, i) => ({ name: rowName(line, by), key: rowKey(line, by), color: colors[i % colors.length], values: labels.map((_, n) => bucketsOf(line)[n]?.share ?? 0) })) });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: (points) => tip(labels[points[0].dataIndex], points.map((p) => [p.color, p.seriesName, rate(p.value)])) });
        return option;
      },
      { height: 260, onClick: (p) => open({ ...rowCell(lines[p.seriesIndex], by), ...cellOfBucket(longest[p.dataIndex]) }, `${p.seriesName} ${labels[p.dataIndex]}`) },
    ),
    table(
      title,
      [
        { name: "group", title: by.map(fieldFace).join(" / "), cell: (line) => rowName(line, by), value: (line) => rowName(line, by) },
        {
          name: "users",
          title: t("用户|Users"),
          number: true,
          value: usersOf,
          cell: (line) => {
            const before = earlier(result, line, by);
            return against(number, usersOf(line), before ? usersOf(before) : undefined, { open: (isBefore) => open(rowCell(line, by), rowName(line, by), isBefore) });
          },
        },
        ...one,
      ],
      series,
    ),
  ];
}

const cellOfBucket = (bucket) => ("units" in bucket ? { units: bucket.units } : { bucket: bucket.bucket });

export function stickiness({ state, set, users }) {
  const active = { event: "app_show", ...(state.active ?? {}) };
  const unit = state.unit ?? "day";
  const units = { hour: t("小时|hours"), day: t("天|days"), week: t("周|weeks") };
  const by = state.breakdown ?? [];
  const body = { ...asked(state), active: selector(active), unit };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("粘性条件|Stickiness builder") },
      h("div", { class: "builder-row" }, eventField(t("活跃行为|Active means"), active, state, (value) => set({ active: value }), true), labelled(t("单位|Unit"), segmented(t("单位|Unit"), Object.entries(units), unit, (value) => set({ unit: value === "day" ? undefined : value }))), breakdownField(state.breakdown, (breakdown) => set({ breakdown }))),
      filterSection(state, set),
    ),
    panel({
      title: t("粘性|Stickiness"),
      report: "stickiness",
      body,
      wide: true,
      isEmpty: (answer) => !answer.result.series.length || !answer.result.series[0].points[0].users,
      render: (answer) => {
        const { rolling, series, compare } = answer.result;
        const [point] = series[0].points;
        const before = by.length ? undefined : compare?.series[0]?.points[0];
        const labels = rolling.map((d) => d.day);
        const metrics = ["dau", "wau", "mau"];
        const names = [t("日活 DAU|DAU"), t("7 日活跃 WAU|WAU"), t("30 日活跃 MAU|MAU")];
        const last = rolling.at(-1);
        const lastBefore = compare?.rolling.at(-1);
        return [
          figures([
            by.length ? null : ["users", t("活跃用户|Active users"), against(number, point.users, before?.users, { open: (isBefore) => users("stickiness", ofRange(body, isBefore), {}, t("活跃用户|Active users")) })],
            by.length ? null : ["mean", t("人均活跃 {unit}|Mean active {unit}", { unit: units[unit] }), against(fixed, point.mean_units, before?.mean_units, { open: (isBefore) => users("stickiness", ofRange(body, isBefore), {}, t("活跃用户|Active users")) })],
            ["dau_mau", t("最后一天 DAU / MAU|DAU / MAU of the last day"), against(rate, last?.dau_mau, lastBefore?.dau_mau, { open: (isBefore) => users("stickiness", ofRange(body, isBefore), { day: (isBefore ? lastBefore : last).day, metric: "dau" }, names[0]) })],
          ]),
          chart(
            t("日活、7 日活跃与 30 日活跃|Daily, weekly and monthly active users"),
            () => timeOption({ labels, unit: t("用户|Users"), partial: partialFrom(labels, answer), series: metrics.map((m, i) => ({ name: names[i], key: m, values: rolling.map((d) => d[m]) })) }),
            { name: "rolling", height: 260, onClick: (p) => users("stickiness", body, { day: labels[p.dataIndex], metric: metrics[names.indexOf(p.seriesName)] }, `${p.seriesName} ${labels[p.dataIndex]}`) },
          ),
          h("h3", { class: "sub" }, t("活跃了几{unit}|Active {unit}", { unit: units[unit] })),
          by.length
            ? groups(answer.result, by, {
                title: t("活跃{unit}数|Active {unit}", { unit: units[unit] }),
                bucketsOf: (line) => line.points[0].units,
                name: (b) => String(b.units),
                usersOf: (line) => line.points[0].users,
                columns: [["mean", t("人均活跃 {unit}|Mean active {unit}", { unit: units[unit] }), (line) => line.points[0].mean_units, fixed]],
                open: (cell, title, isBefore) => users("stickiness", ofRange(body, isBefore), cell, title),
              })
            : histogram(t("活跃{unit}数|Active {unit}", { unit: units[unit] }), point.units, {
            name: (b) => String(b.units),
            open: (b, title) => users("stickiness", body, { units: b.units }, `${title} ${units[unit]}`),
            extra: [{ name: "at_least", title: t("至少|At least"), number: true, cell: (b) => usersLink(number(b.at_least), () => users("stickiness", body, { units: b.units, at_least: true }, `≥ ${b.units} ${units[unit]}`), rate(b.at_least_share)) }],
          }),
        ];
      },
    }),
  );
}

const bounds = (show) => (b) => {
  const { from = null, to = null } = b;
  if (from === null) return `< ${show(to)}`;
  if (to === null) return `≥ ${show(from)}`;
  return Number.isInteger(from) && to - from === 1 && show === number ? number(from) : `${show(from)} – ${show(show === number ? to - 1 : to)}`;
};

export function distribution({ state, set, users }) {
  const measured = { event: "order_pay", ...(state.measured ?? {}) };
  const of = state.of ?? "times";
  const kinds = { times: t("次数|times"), days: t("天数|days"), hours: t("小时数|hours"), sum: t("数值之和|sum of a number") };
  const by = state.breakdown ?? [];
  const body = of === "sum" && !state.field ? null : { ...asked(state), measured: selector(measured), of, ...(of === "sum" ? { field: state.field } : {}) };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("分布条件|Distribution builder") },
      h(
        "div",
        { class: "builder-row" },
        eventField(t("事件|Event"), measured, state, (value) => set({ measured: value }), true),
        labelled(t("按什么分布|Distribution of"), segmented(t("按什么分布|Distribution of"), Object.entries(kinds), of, (value) => set({ of: value === "times" ? undefined : value }))),
        of === "sum" ? labelled(t("数值字段|Number"), fieldPicker(t("数值字段|Number"), state.field, (field) => set({ field }), { event: measured.event, numbers: true })) : null,
        breakdownField(state.breakdown, (breakdown) => set({ breakdown })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("分布|Distribution"),
      report: "distribution",
      body,
      incomplete: t("选择要相加的数值字段|Choose the number to add up"),
      wide: true,
      isEmpty: (answer) => !answer.result.series.length || !answer.result.series[0].points[0].users,
      render: (answer) => {
        const [point] = answer.result.series[0].points;
        const before = answer.result.compare?.series[0]?.points[0];
        const name = bounds(of === "sum" ? amount : number);
        if (by.length) {
          const one = (key, title, show) => [key, title, (line) => line.points[0][key], show];
          return groups(answer.result, by, {
            title: of === "sum" ? fieldFace(state.field) : kinds[of],
            bucketsOf: (line) => line.points[0].buckets,
            name,
            usersOf: (line) => line.points[0].users,
            columns: [one("mean", t("平均|Mean"), fixed), one("median", t("中位数|Median")), one("p90", t("90 分位|p90")), one("max", t("最大|Most"))],
            open: (cell, title, isBefore) => users("distribution", ofRange(body, isBefore), cell, title),
          });
        }
        return [
          ofEveryone("distribution", body, point, before, users, [
            ["users", t("用户|Users"), number],
            ["mean", t("平均|Mean"), fixed],
            ["median", t("中位数|Median"), amount],
            ["p90", t("90 分位|p90"), amount],
            ["max", t("最大|Most"), amount],
          ]),
          histogram(of === "sum" ? fieldFace(state.field) : kinds[of], point.buckets, { name, open: (b, title) => users("distribution", body, { bucket: b.bucket }, title) }),
        ];
      },
    }),
  );
}

export function interval({ state, set, users }) {
  const start = { event: "order_pay", ...(state.start ?? {}) };
  const end = { event: "order_pay", ...(state.end ?? {}) };
  const by = state.breakdown ?? [];
  const body = { ...asked(state), start: selector(start), end: selector(end), ...(state.pairing ? { pairing: state.pairing } : {}), max_gap: { value: Number(state.max_days ?? 30), unit: "day" } };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("间隔条件|Interval builder") },
      h(
        "div",
        { class: "builder-row" },
        eventField(t("开始事件|Start event"), start, state, (value) => set({ start: value })),
        eventField(t("结束事件|End event"), end, state, (value) => set({ end: value })),
        select(
          t("配对|Pairing"),
          [
            ["last_start", t("最近的开始|the last start")],
            ["first_start", t("最早的开始|the first start")],
            ["each_start", t("每个开始|each start")],
          ],
          state.pairing ?? "last_start",
          (pairing) => set({ pairing: pairing === "last_start" ? undefined : pairing }),
        ),
        select(t("最长间隔|Longest gap"), [1, 7, 30, 90, 180].map((n) => [n, t("{n} 天|{n} days", { n })]), state.max_days ?? 30, (value) => set({ max_days: value === "30" ? undefined : Number(value) })),
        breakdownField(state.breakdown, (breakdown) => set({ breakdown })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("间隔|Interval"),
      report: "interval",
      body,
      wide: true,
      isEmpty: (answer) => !answer.result.series.length || !answer.result.series[0].total.pairs,
      render: (answer) => {
        const { total } = answer.result.series[0];
        const before = answer.result.compare?.series[0]?.total;
        const bucketName = (b) => (b.to_ms === null || b.to_ms === undefined ? `≥ ${duration(b.from_ms)}` : `${duration(b.from_ms)} – ${duration(b.to_ms)}`);
        if (by.length) {
          const one = (key, title, show) => [key, title, (line) => line.total[key], show];
          return groups(answer.result, by, {
            title: t("间隔时间|Time between"),
            bucketsOf: (line) => line.total.histogram,
            name: bucketName,
            usersOf: (line) => line.total.users,
            columns: [one("pairs", t("间隔次数|Pairs"), number), one("p25_ms", t("25 分位|p25"), duration), one("p50_ms", t("中位数|Median"), duration), one("p75_ms", t("75 分位|p75"), duration), one("avg_ms", t("平均|Mean"), duration)],
            open: (cell, title, isBefore) => users("interval", ofRange(body, isBefore), cell, title),
          });
        }
        return [
          ofEveryone("interval", body, total, before, users, [
            ["users", t("用户|Users"), number],
            ["pairs", t("间隔次数|Pairs"), number],
            ["p25_ms", t("25 分位|p25"), duration],
            ["p50_ms", t("中位数|Median"), duration],
            ["p75_ms", t("75 分位|p75"), duration],
            ["avg_ms", t("平均|Mean"), duration],
          ]),
          total.mature ? null : h("p", {}, h("span", { class: "badge warn" }, t("未成熟：最长间隔还没过完，后面的结束事件会再增加|not mature: the longest gap is not over, ends may still come"))),
          histogram(t("间隔时间|Time between"), total.histogram, {
            name: bucketName,
            counted: "pairs",
            countedTitle: t("间隔次数|Pairs"),
            open: (b, title) => users("interval", body, { bucket: b.bucket }, title),
          }),
        ];
      },
    }),
  );
}
