// Scenes and channels: which entries bring users and what these are worth; by group of a scheme, down to the code.

import { chart, treemapOption } from "../charts.js";
import { h } from "../dom.js";
import { duration, number, rate, short } from "../format.js";
import { platformTitle, t } from "../i18n.js";
import { fieldPicker } from "../pickers.js";
import { common, filterSection, panel } from "../report.js";
import { button, segmented, select, table, usersLink } from "../widgets.js";
import { groupTitle, withBar } from "./overview.js";

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
];

export default function scenes({ state, set, users }) {
  const scheme = state.scheme ?? "standard";
  const metric = state.metric ?? "users";
  const drilled = state.group !== undefined;
  const channel = state.by;
  const body = { ...common(state), by: drilled ? "scene" : "group", ...(scheme === "standard" ? {} : { scheme }) };
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
        h("div", { class: "field" }, h("span", { class: "label" }, t("分组方案|Scheme")), segmented(t("分组方案|Scheme"), SCHEMES.map(([v, text]) => [v, t(text)]), scheme, (value) => set({ scheme: value === "standard" ? undefined : value, group: undefined }))),
        select(t("图形指标|Measure of the chart"), METRICS.map(([v, text]) => [v, t(text)]), metric, (value) => set({ metric: value === "users" ? undefined : value })),
        h("div", { class: "field" }, h("span", { class: "label" }, t("渠道维度|Channel")), fieldPicker(t("渠道维度|Channel"), channel, (by) => set({ by }), { none: t("只看场景|Scenes only") })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: drilled ? t("分组“{group}”的场景值|Scenes of {group}", { group: groupTitle(state.group) }) : t("入口分组|Entry groups"),
      report: "scenes",
      body,
      wide: true,
      actions: drilled ? [button(t("返回分组|Back to groups"), () => set({ group: undefined }))] : [],
      isEmpty: (answer) => answer.result.rows.length === 0,
      render: (answer) => [summary(answer, body, users), map(answer, metric, drilled, set), rows(answer, body, metric, drilled, set, users), version(answer)],
    }),
    channel ? channels(state, scheme, channel, users) : null,
  );
}

function summary(answer, body, users) {
  const { total } = answer.result;
  const one = (name, title, text) => h("div", {}, h("span", { class: "label" }, title), h("span", { class: "value", dataset: { figure: name } }, text));
  return h(
    "div",
    { class: "summary" },
    one("users", t("用户|Users"), usersLink(number(total.users), () => users("scenes", body, { metric: "users" }, t("用户|Users")))),
    one("new_users", t("新用户|New users"), usersLink(number(total.new_users), () => users("scenes", body, { metric: "new_users" }, t("新用户|New users")))),
    one("sessions", t("会话|Sessions"), number(total.sessions)),
    one("median_stay_ms", t("停留中位数|Median stay"), duration(total.median_stay_ms)),
    one("bounce_rate", t("跳出率|Bounce"), rate(total.bounce_rate)),
    one("next_day_retention", t("次日留存|Next day"), rate(total.next_day_retention)),
  );
}

const nameOf = (row, drilled) => (drilled ? `${row.scene_name || t("没有场景值|No scene")}` : groupTitle(row.scene_group));

function map(answer, metric, drilled, set) {
  const list = answer.result.rows.filter((r) => r[metric] > 0).slice(0, 40);
  const best = Math.max(0.01, ...list.map((r) => r.next_day_retention ?? 0));
  const title = t(METRICS.find(([v]) => v === metric)[1]);
  return chart(
    t("各入口的{metric}：{list}|{metric} by entry: {list}", { metric: title, list: list.slice(0, 10).map((r) => `${nameOf(r, drilled)} ${number(r[metric])}`).join(", ") }),
    () =>
      treemapOption(
        list.map((r) => ({
          name: drilled ? `${platformTitle(r.platform)} ${nameOf(r, drilled)}` : nameOf(r, drilled),
          value: r[metric],
          group: r.scene_group,
          // The darker, the more users come back on the next day.
          itemStyle: { color: shade((r.next_day_retention ?? 0) / best) },
          tip: [
            [null, title, number(r[metric])],
            [null, t("新用户|New users"), number(r.new_users)],
            [null, t("停留中位数|Median stay"), duration(r.median_stay_ms)],
            [null, t("次日留存|Next day"), rate(r.next_day_retention)],
          ],
        })),
        { format: short },
      ),
    { height: 240, onClick: (p) => !drilled && set({ group: p.data.group }) },
  );
}

function shade(strength) {
  const mix = (from, to) => Math.round(from + (to - from) * strength);
  return `rgb(${mix(126, 22)},${mix(158, 68)},${mix(205, 150)})`;
}

function rows(answer, body, metric, drilled, set, users) {
  const list = answer.result.rows;
  const most = Math.max(1, ...list.map((r) => r[metric]));
  const cell = (r, name) => (drilled ? { metric: name, platform: r.platform, scene: r.scene } : { metric: name, scene_group: r.scene_group });
  const userColumn = (name, title) => ({
    name,
    title,
    number: true,
    value: (r) => r[name],
    cell: (r) => usersLink(number(r[name]), () => users("scenes", body, cell(r, name), `${nameOf(r, drilled)} · ${title}`)),
  });
  const column = (name, title, show) => ({ name, title, number: true, value: (r) => r[name], cell: (r) => show(r[name]) });
  return table(
    t("入口|Entries"),
    [
      ...(drilled ? [{ name: "platform", title: t("平台|Platform"), cell: (r) => platformTitle(r.platform), value: (r) => r.platform }] : []),
      ...(drilled ? [{ name: "scene", title: t("场景值|Code"), cell: (r) => h("code", {}, r.scene || "–"), value: (r) => r.scene }] : []),
      {
        name: "name",
        title: drilled ? t("场景|Scene") : t("分组|Group"),
        value: (r) => nameOf(r, drilled),
        cell: (r) =>
          withBar(
            drilled ? nameOf(r, drilled) : h("button", { type: "button", class: "users-link", onClick: () => set({ group: r.scene_group }), "aria-label": t("展开 {name}|Open {name}", { name: nameOf(r, drilled) }) }, nameOf(r, drilled)),
            r[metric] / most,
          ),
      },
      column("launches", t("冷启动|Cold starts"), number),
      column("entries", t("打开|Entries"), number),
      userColumn("users", t("用户|Users")),
      userColumn("new_users", t("新用户|New")),
      column("sessions", t("会话|Sessions"), number),
      column("bounce_rate", t("跳出率|Bounce"), rate),
      column("median_stay_ms", t("停留中位数|Stay"), duration),
      { name: "back", title: t("次日留存|Next day"), number: true, value: (r) => r.next_day_retention, cell: (r) => h("span", { title: `${number(r.next_day_returned)} / ${number(r.next_day_eligible)}` }, rate(r.next_day_retention)) },
    ],
    list,
    { sorted: { name: metric, down: true }, limit: 100 },
  );
}

function version(answer) {
  const { scheme, scheme_version: number_ } = answer.semantics;
  return h("p", { class: "legend" }, t("色块面积为所选指标，颜色越深次日留存越高。分组方案 {scheme}，版本 {version}。一位用户可能从多个入口进入，各行用户相加不等于合计。|Scheme {scheme}, version {version}. A user may come through several entries: rows do not add up to the total. Area: the measure; the darker, the more come back on the next day.", { scheme, version: number_ }));
}

/** Channels: first events of entries by another field, such as utm or page. */
function channels(state, scheme, field, users) {
  const body = { ...common(state), by: "group", breakdown: [field], ...(scheme === "standard" ? {} : { scheme }) };
  return panel({
    title: t("渠道质量|Quality of channels"),
    report: "scenes",
    name: "channels",
    body,
    wide: true,
    isEmpty: (answer) => answer.result.rows.length === 0,
    render: (answer) =>
      table(
        t("渠道|Channels"),
        [
          { name: "group", title: t("场景分组|Group"), cell: (r) => groupTitle(r.scene_group), value: (r) => r.scene_group },
          { name: "channel", title: field, cell: (r) => String(r.breakdown[field] ?? t("(无)|(none)")), value: (r) => String(r.breakdown[field] ?? "") },
          { name: "users", title: t("用户|Users"), number: true, value: (r) => r.users, cell: (r) => usersLink(number(r.users), () => users("scenes", body, { metric: "users", scene_group: r.scene_group, breakdown: r.breakdown }, groupTitle(r.scene_group))) },
          { name: "new_users", title: t("新用户|New"), number: true, value: (r) => r.new_users, cell: (r) => number(r.new_users) },
          { name: "bounce", title: t("跳出率|Bounce"), number: true, value: (r) => r.bounce_rate, cell: (r) => rate(r.bounce_rate) },
          { name: "stay", title: t("停留中位数|Stay"), number: true, value: (r) => r.median_stay_ms, cell: (r) => duration(r.median_stay_ms) },
          { name: "back", title: t("次日留存|Next day"), number: true, value: (r) => r.next_day_retention, cell: (r) => rate(r.next_day_retention) },
        ],
        answer.result.rows,
        { sorted: { name: "users", down: true }, limit: 50 },
      ),
  });
}
