// Scenes and channels: which entries bring users and what these are worth; by group of a scheme, down to the code.

import { chart, treemapOption } from "../charts.js";
import { h } from "../dom.js";
import { duration, fixed, number, rate } from "../format.js";
import { platformTitle, t } from "../i18n.js";
import { against, brokenDown, figures, labelled, ofRange, rowName } from "../parts.js";
import { eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { groupTitle, sceneTitle } from "../scene_names.js";
import { button, segmented, select, table, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

const SCHEMES = [
  ["standard", "按入口类型|By kind of entry"],
  ["five", "五类入口|Five kinds"],
  ["domain", "公域 / 私域|Public / private"],
];
const METRICS = [
  ["users", "用户|Users"],
  ["new_users", "新用户|New users"],
  ["sessions", "会话|Sessions"],
  ["launches", "冷启动|Cold starts"],
  ["conversions", "转化次数|Conversions"],
  ["converters", "转化用户|Converted users"],
];
/** The metric of the users behind a measure of the chart that has another name. */
const BEHIND = { conversions: "converters" };

/** What a row of the report is. Groups open into scenes. */
const DIMENSIONS = [
  ["group", "场景分组|Scene group"],
  ["utm.source", "渠道来源 utm|Campaign source"],
  ["utm.medium", "渠道媒介 utm|Campaign medium"],
  ["utm.campaign", "活动 utm|Campaign"],
  ["utm.content", "内容 utm|Campaign content"],
  ["utm.term", "关键词 utm|Campaign term"],
  ["referrer_app_id", "来源小程序|Referring app"],
  ["page", "落地页|Landing page"],
  ["qr_code", "二维码|QR code"],
  ["store", "门店|Store"],
  ["city", "城市|City"],
  ["placement", "点位|Placement"],
];
const QR_STATUS = {
  none: "没有扫码|no code",
  unknown: "未登记的码|unknown code",
  outside_validity: "不在有效期|outside its validity",
  registered: "已登记|registered",
};

export default function scenes({ state, set, users }) {
  const scheme = state.scheme ?? "standard";
  const [metric] = METRICS.find(([name]) => name === state.metric) ?? METRICS[0];
  const dimension = state.rows ?? "group";
  const drilled = dimension === "group" && state.group !== undefined;
  const channel = state.by;
  const conversion = state.conversion ?? "order_pay";
  const value = state.value ?? (conversion === "order_pay" ? "properties.amount" : "");
  const body = { ...common(state), by: drilled ? "scene" : dimension, conversion: { event: conversion }, ...(value ? { value } : {}), ...(scheme === "standard" ? {} : { scheme }), ...compared(state) };
  if (drilled) {
    const inGroup = state.group === "" ? { field: "scene", op: "not_exists" } : { field: "scene_group", op: "eq", values: [state.group] };
    body.filter = body.filter ? { relation: "and", conditions: [body.filter, inGroup] } : inGroup;
  }
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("场景条件|Scenes builder") },
      h(
        "div",
        { class: "builder-row" },
        select(t("按什么看|Rows"), DIMENSIONS.map(([v, text]) => [v, t(text)]), dimension, (rows_) => set({ rows: rows_ === "group" ? undefined : rows_, group: undefined })),
        h("div", { class: "field" }, h("span", { class: "label" }, t("分组方案|Scheme")), segmented(t("分组方案|Scheme"), SCHEMES.map(([v, text]) => [v, t(text)]), scheme, (value) => set({ scheme: value === "standard" ? undefined : value, group: undefined }))),
        select(t("图形指标|Measure of the chart"), METRICS.map(([v, text]) => [v, t(text)]), metric, (value) => set({ metric: value === "users" ? undefined : value })),
        labelled(t("转化行为|Conversion"), eventPicker(t("转化行为|Conversion"), conversion, (event) => set({ conversion: event === "order_pay" ? undefined : event, value: undefined }))),
        labelled(t("转化金额|Value"), fieldPicker(t("转化金额|Value"), value, (field) => set({ value: field || undefined }), { event: conversion, numbers: true, none: t("不计金额|none") })),
        labelled(t("再按字段细分|Broken down by"), fieldPicker(t("再按字段细分|Broken down by"), channel, (by) => set({ by: by || undefined }), { none: t("不细分|nothing") })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: drilled ? t("分组“{group}”的场景值|Scenes of {group}", { group: groupTitle(state.group) }) : dimension === "group" ? t("入口分组|Entry groups") : t("入口：{by}|Entries by {by}", { by: t(DIMENSIONS.find(([v]) => v === dimension)[1]) }),
      report: "scenes",
      body,
      wide: true,
      actions: drilled ? [button(t("返回分组|Back to groups"), () => set({ group: undefined }))] : [],
      isEmpty: (answer) => answer.result.rows.length === 0,
      render: (answer) => [summary(answer, body, users), map(answer, metric, body, set, users), rows(answer, body, metric, set, users), version(answer)],
    }),
    channel ? channels(body, channel, users) : null,
  );
}

function summary(answer, body, users) {
  const { total, compare } = answer.result;
  const before = compare?.total ?? {};
  const counted = (name, title, { metric = name, show = number, good = true } = {}) => [name, title, against(show, total[name], before[name], { good, open: (isBefore) => users("scenes", ofRange(body, isBefore), { metric }, title) })];
  const paid =
    total.cost === null
      ? []
      : [
          ["cost", t("花费|Cost"), `${fixed(total.cost)} ${total.currency}`],
          counted("cost_per_new_user", t("获客成本|Per new user"), { metric: "new_users", show: fixed, good: false }),
          counted("roi", "ROI", { metric: "converters", show: rate }),
        ];
  return figures([
    counted("users", t("用户|Users")),
    counted("new_users", t("新用户|New users")),
    counted("sessions", t("会话|Sessions")),
    counted("median_stay_ms", t("停留中位数|Median stay"), { metric: "sessions", show: duration }),
    counted("bounce_rate", t("跳出率|Bounce"), { metric: "bounces", show: rate, good: false }),
    counted("next_day_retention", t("次日留存|Next day"), { metric: "next_day_returned", show: rate }),
    counted("converters", t("转化用户|Converted")),
    counted("conversion_rate", t("转化率|Conversion"), { metric: "converters", show: rate }),
    total.conversion_value === null ? null : counted("conversion_value", t("转化金额|Value"), { metric: "converters", show: fixed }),
    ...paid,
  ]);
}

function nameOf(row, by) {
  if (row.other) return t("其他|Other");
  if (by === "scene") return sceneTitle(row.scene_name || row.scene);
  if (by === "group") return groupTitle(row.scene_group);
  const text = row[by];
  if (row.qr_status && row.qr_status !== "registered") return [text, `(${t(QR_STATUS[row.qr_status] ?? row.qr_status)})`].filter(Boolean).join(" ");
  return (by === "qr_code" && row.label ? `${row.label} ${text}` : text) || t("(无)|(none)");
}

/** What names a row, for a cell. */
function cellOf(row, by) {
  if (row.other) return { other: true };
  if (by === "scene") return { platform: row.platform, scene: row.scene };
  if (by === "group") return { scene_group: row.scene_group };
  const names = by === "qr_code" ? ["app_id", "qr_code", "qr_status"] : ["store", "city", "placement"].includes(by) ? [by, "qr_status"] : [by];
  return { row: Object.fromEntries(names.map((name) => [name, row[name]])) };
}

function map(answer, metric, body, set, users) {
  const { by } = body;
  const drilled = by === "scene";
  const list = answer.result.rows.filter((r) => r[metric] > 0).slice(0, 40);
  const best = Math.max(0.01, ...list.map((r) => r.next_day_retention ?? 0));
  const title = t(METRICS.find(([v]) => v === metric)[1]);
  return chart(
    t("各入口的{metric}：{list}|{metric} by entry: {list}", { metric: title, list: list.slice(0, 10).map((r) => `${nameOf(r, by)} ${number(r[metric])}`).join(", ") }),
    () =>
      treemapOption(
        list.map((r) => ({
          name: drilled ? `${platformTitle(r.platform)} ${nameOf(r, by)}` : nameOf(r, by),
          value: r[metric],
          row: r,
          // The darker, the more users come back on the next day.
          itemStyle: { color: shade((r.next_day_retention ?? 0) / best) },
          tip: [
            [null, title, number(r[metric])],
            [null, t("新用户|New users"), number(r.new_users)],
            [null, t("停留中位数|Median stay"), duration(r.median_stay_ms)],
            [null, t("次日留存|Next day"), rate(r.next_day_retention)],
            [null, t("转化率|Conversion"), rate(r.conversion_rate)],
          ],
        })),
        { format: number },
      ),
    { height: 240, onClick: (p) => (by === "group" ? set({ group: p.data.row.scene_group }) : users("scenes", body, { metric: BEHIND[metric] ?? metric, ...cellOf(p.data.row, by) }, `${p.name} · ${title}`)) },
  );
}

function shade(strength) {
  const mix = (from, to) => Math.round(from + (to - from) * strength);
  return `rgb(${mix(126, 22)},${mix(158, 68)},${mix(205, 150)})`;
}

function rows(answer, body, metric, set, users) {
  const { by } = body;
  const drilled = by === "scene";
  const list = answer.result.rows;
  const most = Math.max(1, ...list.map((r) => r[metric]));
  const cell = (r, name) => ({ metric: name, ...cellOf(r, by) });
  const keyOf = (r) => JSON.stringify(cellOf(r, by));
  const before = new Map((answer.result.compare?.rows ?? []).map((r) => [keyOf(r), r]));
  const userColumn = (name, title, { metric = name, show = number, good = true } = {}) => ({
    name,
    title,
    number: true,
    value: (r) => r[name],
    cell: (r) => against(show, r[name], before.get(keyOf(r))?.[name], { good, open: (isBefore) => users("scenes", ofRange(body, isBefore), cell(r, metric), `${nameOf(r, by)} · ${title}`) }),
  });
  const nextDay = userColumn("next_day_retention", t("次日留存|Next day"), { metric: "next_day_returned", show: rate });
  return table(
    t("入口|Entries"),
    [
      ...(drilled ? [{ name: "platform", title: t("平台|Platform"), cell: (r) => platformTitle(r.platform), value: (r) => r.platform }] : []),
      ...(drilled ? [{ name: "scene", title: t("场景值|Code"), cell: (r) => h("code", {}, r.scene || "–"), value: (r) => r.scene }] : []),
      {
        name: "name",
        title: drilled ? t("场景|Scene") : by === "group" ? t("分组|Group") : t(DIMENSIONS.find(([v]) => v === by)[1]),
        value: (r) => nameOf(r, by),
        cell: (r) =>
          withBar(
            by !== "group" ? nameOf(r, by) : h("button", { type: "button", class: "users-link", onClick: () => set({ group: r.scene_group }), "aria-label": t("展开 {name}|Open {name}", { name: nameOf(r, by) }) }, nameOf(r, by)),
            r[metric] / most,
          ),
      },
      userColumn("launches", t("冷启动|Cold starts")),
      userColumn("entries", t("打开|Entries")),
      userColumn("users", t("用户|Users")),
      userColumn("new_users", t("新用户|New")),
      userColumn("sessions", t("会话|Sessions")),
      userColumn("bounce_rate", t("跳出率|Bounce"), { metric: "bounces", show: rate, good: false }),
      userColumn("median_stay_ms", t("停留中位数|Stay"), { metric: "sessions", show: duration }),
      { ...nextDay, cell: (r) => h("span", { title: `${number(r.next_day_returned)} / ${number(r.next_day_eligible)}` }, nextDay.cell(r)) },
      ...outcomes(list, (text, r, metric, title) => usersLink(text, () => users("scenes", body, cell(r, metric), `${nameOf(r, by)} · ${title}`))),
    ],
    list,
    { sorted: { name: metric, down: true }, limit: 100 },
  );
}

/**
 * Columns of conversions, and of costs where some were imported: of what was paid nobody is behind.
 *
 * link(text, row, metric, title): a number with its users.
 */
function outcomes(list, link) {
  const has = (name) => list.some((r) => r[name] !== null && r[name] !== undefined);
  const column = (name, title, show, metric) => (has(name) ? [{ name, title, number: true, value: (r) => r[name], cell: (r) => (metric ? link(show(r[name]), r, metric, title) : show(r[name])) }] : []);
  return [
    ...column("converters", t("转化用户|Converted"), number, "converters"),
    ...column("conversion_rate", t("转化率|Conversion"), rate, "converters").map((one) => ({ ...one, cell: (r) => h("span", { title: `${number(r.converters)} / ${number(r.users)}` }, one.cell(r)) })),
    ...column("conversion_value", t("转化金额|Value"), fixed, "converters"),
    ...(list.some((r) => r.costs?.length)
      ? [
          { name: "cost", title: t("花费|Cost"), number: true, value: (r) => r.cost, cell: (r) => (r.costs.length ? r.costs.map((c) => `${fixed(c.amount)} ${c.currency}`).join(" + ") : "–") },
          ...column("cost_per_new_user", t("获客成本|Per new user"), fixed, "new_users"),
          ...column("cost_per_conversion", t("转化成本|Per conversion"), fixed, "converters"),
          ...column("click_through_rate", t("点击率|CTR"), rate),
          ...column("roi", "ROI", rate, "converters"),
        ]
      : []),
  ];
}

function version(answer) {
  const { scheme, scheme_version: number_ } = answer.semantics;
  return h("p", { class: "legend" }, t("色块面积为所选指标，颜色越深次日留存越高。分组方案 {scheme}，版本 {version}。一位用户可能从多个入口进入，各行用户相加不等于合计。花费和点击率来自导入的投放数据，背后没有用户名单。|Scheme {scheme}, version {version}. A user may come through several entries: rows do not add up to the total. Area: the measure; the darker, the more come back on the next day. Costs and click-through rates are imported: nobody stands behind them.", { scheme, version: number_ }));
}

/** The same rows broken down by another field. */
function channels(question, field, users) {
  const body = { ...question, ...brokenDown([field], 20) };
  const { by } = body;
  const name = (r) => `${nameOf(r, by)} · ${rowName(r, [field])}`;
  const userColumn = (key, title, { metric = key, show = number } = {}) => ({ name: key, title, number: true, value: (r) => r[key], cell: (r) => usersLink(show(r[key]), () => users("scenes", body, { metric, ...cellOf(r, by), breakdown: r.other ? undefined : r.breakdown }, `${name(r)} · ${title}`)) });
  return panel({
    title: t("按“{field}”细分|Broken down by {field}", { field: fieldFace(field) }),
    report: "scenes",
    name: "channels",
    body,
    wide: true,
    isEmpty: (answer) => answer.result.rows.length === 0,
    render: (answer) =>
      table(
        t("细分|Broken down"),
        [
          { name: "group", title: t("入口|Entry"), cell: (r) => nameOf(r, by), value: (r) => nameOf(r, by) },
          { name: "channel", title: fieldFace(field), cell: (r) => rowName(r, [field]), value: (r) => rowName(r, [field]) },
          userColumn("users", t("用户|Users")),
          userColumn("new_users", t("新用户|New")),
          userColumn("bounce_rate", t("跳出率|Bounce"), { metric: "bounces", show: rate }),
          userColumn("median_stay_ms", t("停留中位数|Stay"), { metric: "sessions", show: duration }),
          userColumn("next_day_retention", t("次日留存|Next day"), { metric: "next_day_returned", show: rate }),
          userColumn("converters", t("转化用户|Converted")),
          userColumn("conversion_rate", t("转化率|Conversion"), { metric: "converters", show: rate }),
        ],
        answer.result.rows,
        { sorted: { name: "users", down: true }, limit: 50 },
      ),
  });
}
