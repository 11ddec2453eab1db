// Sharing: how far cards go, who shares, whom they bring, K with its inputs; the cascade of one card as a tree.

import { chart, isDark, palette, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { duration, fixed, number, plain } from "../format.js";
import { t } from "../i18n.js";
import { namesOf } from "../names.js";
import { against, breakdownField, brokenDown, figures, ofRange, rowCell, rowName } from "../parts.js";
import { eventPicker, fieldFace } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { addressOf, shared } from "../state.js";
import { button, fold, select, table, textInput, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

const K = [
  ["invite_conversion", "邀请数 × 邀请转化|Invitations × conversion"],
  ["new_per_sharer", "新用户 / 分享者|New users per sharer"],
  ["growingio_daily", "按天平均|Mean of the days"],
];

export default function share({ state, set, has, users }) {
  const body = {
    ...common(state),
    ...(state.conversion ? { conversion: { event: state.conversion } } : {}),
    ...(state.k ? { k: state.k } : {}),
    ...(state.root ? { root: state.root } : {}),
    ...brokenDown(state.breakdown, 20),
    ...compared(state),
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("分享条件|Sharing builder") },
      h(
        "div",
        { class: "builder-row" },
        h("div", { class: "field" }, h("span", { class: "label" }, t("转化行为|Conversion")), eventPicker(t("转化行为|Conversion"), state.conversion ?? "order_pay", (conversion) => set({ conversion: conversion === "order_pay" ? undefined : conversion }))),
        select(t("K 的定义|Definition of K"), K.map(([v, text]) => [v, t(text)]), state.k ?? K[0][0], (k) => set({ k: k === K[0][0] ? undefined : k })),
        textInput(t("查看一张卡片的传播（share_id）|Cascade of a card (share_id)"), state.root, (root) => set({ root: root.trim() })),
        breakdownField(state.breakdown, (breakdown) => set({ breakdown })),
        state.root ? button(t("清除|Clear"), () => set({ root: undefined })) : null,
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("分享裂变|Sharing"),
      report: "share",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.total.shares === 0 && answer.result.total.opens === 0,
      render: (answer) => view(answer, state, body, users, has("profile")),
    }),
    state.root ? null : topCards(state, set, users),
  );
}

function view(answer, state, body, users, profiles) {
  const { result } = answer;
  const cards = state.root ? (result.cascade?.cards ?? []) : [];
  const names = namesOf([...result.sharers.map((one) => one.user), ...cards.map((card) => card.sharer).filter(Boolean)], body, { profiles });
  const before = result.compare?.total ?? {};
  const counted = (name, title, { metric = name, show = number } = {}) => [name, title, against(show, result.total[name], before[name], { open: (isBefore) => users("share", ofRange(body, isBefore), { metric }, title) })];
  const open = (cell, title, isBefore = false) => users("share", ofRange(body, isBefore), cell, title);
  const ofSharer = (r, text, metric, title) => usersLink(text, () => open({ metric, sharer: r.user }, `${names.title(r.user)} · ${title}`));
  return [
    figures([
      counted("shares", t("分享次数|Shares"), { metric: "sharers" }),
      counted("sharers", t("分享者|Sharers")),
      counted("opens", t("打开次数|Opens"), { metric: "openers" }),
      counted("openers", t("打开用户|Openers")),
      counted("new_users", t("带来新用户|New users")),
      counted("converters", t("转化用户|Converted")),
      counted("revenue", t("转化金额|Revenue"), { metric: "converters", show: fixed }),
      kFigure(result, (isBefore) => open({ metric: "new_users" }, t("带来新用户|New users"), isBefore)),
    ]),
    kDefinition(result, open),
    state.root && result.cascade ? cascade(result.cascade, names, open) : null,
    h("h3", { class: "sub" }, t("谁带来了别人：分享者排行|Who brings others: top sharers")),
    table(
      t("谁带来了别人：分享者排行|Who brings others: top sharers"),
      [
        { name: "user", title: t("用户|User"), cell: (r) => names.link(r.user), value: (r) => names.title(r.user) },
        { name: "shares", title: t("分享|Shares"), number: true, cell: (r) => (profiles ? h("a", { class: "users-link", href: addressOf("people", { user: r.user }), title: t("这位分享者的主页|This sharer's page") }, number(r.shares)) : number(r.shares)), value: (r) => r.shares },
        { name: "direct", title: t("直接打开用户|Direct openers"), number: true, value: (r) => r.direct_openers, cell: (r) => ofSharer(r, number(r.direct_openers), "openers", t("直接打开用户|Direct openers")) },
        { name: "all", title: t("全部下级打开用户|All descendants"), number: true, value: (r) => r.descendant_openers, cell: (r) => ofSharer(r, number(r.descendant_openers), "descendant_openers", t("全部下级打开用户|All descendants")) },
        ...(result.sharers[0] && "new_users" in result.sharers[0] ? [{ name: "new", title: t("新用户|New users"), number: true, value: (r) => r.new_users, cell: (r) => ofSharer(r, number(r.new_users), "new_users", t("新用户|New users")) }] : []),
        ...(result.sharers[0] && "revenue" in result.sharers[0] ? [{ name: "revenue", title: t("金额|Revenue"), number: true, value: (r) => r.revenue, cell: (r) => ofSharer(r, fixed(r.revenue), "converters", t("转化用户|Converted")) }] : []),
      ],
      result.sharers,
      { limit: 10, sorted: { name: "all", down: true } },
    ),
    h("h3", { class: "sub" }, t("逐层传播|By depth")),
    metricsTable(t("层级|Depth"), result.depths, "depth", (r) => t("第 {n} 层|Depth {n}", { n: r.depth }), (r) => ({ depth: r.depth }), body, users),
    result.rows ? [h("h3", { class: "sub" }, t("按“{field}”看|By {field}", { field: body.breakdown.map(fieldFace).join(" / ") })), metricsTable(t("分组|Group"), result.rows, "group", (r) => rowName(r, body.breakdown), (r) => rowCell(r, body.breakdown), body, users)] : null,
    h("div", { class: "grid-2" }, [ofKind(result.pages, "page", t("被分享的页面|Shared pages"), body, users), ofKind(result.channels, "channel", t("分享渠道|Channels"), body, users, channelTitle)]),
    ofKind(result.groups, "group_id", t("群|Groups"), body, users),
    result.reshare_delay
      ? h(
          "p",
          { class: "legend", dataset: { figure: "reshares" } },
          h("span", {}, t("再分享次数|Re-shares"), " ", usersLink(number(result.reshare_delay.reshares), () => open({ metric: "resharers" }, t("再分享者|Who re-shared")))),
          h("span", {}, t("从打开到再分享的中位时间|Median time from opening to re-sharing"), " ", usersLink(duration(result.reshare_delay.median_ms), () => open({ metric: "opened_before" }, t("打开后再分享的用户|Who opened, then re-shared")))),
        )
      : null,
  ];
}

const CHANNELS = { message: "转发给朋友或群|Sent to a friend or group", timeline: "朋友圈|Moments", favorite: "收藏|Favourites", copy: "复制链接|Copied link" };
const channelTitle = (name) => (Object.hasOwn(CHANNELS, name) ? t(CHANNELS[name]) : name);

const FORMULAS = {
  invite_conversion: "人均邀请 × 邀请转化 =（分享次数 ÷ 活跃用户）×（新用户 ÷ 分享次数）|invitations per user × conversion of an invitation = (shares / active users) × (new users / shares)",
  new_per_sharer: "新用户 ÷ 分享者|new users / sharers",
  growingio_daily: "有分享者的每一天的（当天新用户 ÷ 当天分享者），再取平均|mean over the days with a sharer of (new users of the day / sharers of the day)",
};
const INPUTS = {
  active_users: "活跃用户|Active users",
  conversion_per_invitation: "邀请转化|Conversion of an invitation",
  days: "每天|By day",
  days_with_a_sharer: "有分享者的天数|Days with a sharer",
  invitations_per_user: "人均邀请|Invitations per user",
  new_users: "新用户|New users",
  sharers: "分享者|Sharers",
  shares: "分享次数|Shares",
};

/** The number K; what it divides are the new users. */
function kFigure(result, open) {
  const k = (value) => number(value, 3);
  return ["k", t("K 系数|K"), against(k, result.k.value, result.compare?.k.value, { open })];
}

/** Who stands behind each input of K. */
const BEHIND = { active_users: "active_users", conversion_per_invitation: "new_users", invitations_per_user: "sharers", new_users: "new_users", sharers: "sharers", shares: "sharers" };

/** What K is made of. open(cell, title): users. */
function kDefinition({ k }, open) {
  const shown = (name, value) => {
    if (!Array.isArray(value)) return BEHIND[name] ? usersLink(number(value, 4), () => open({ metric: BEHIND[name] }, t(INPUTS[name]))) : number(value, 4);
    return value.map((d, i) => [i ? "; " : "", `${d.day}: `, usersLink(number(d.value, 3), () => open({ metric: "new_users", day: d.day }, `${t("带来新用户|New users")} ${d.day}`))]);
  };
  return fold("k", `K = ${number(k.value, 3)} = ${t(FORMULAS[k.definition])}`, h("dl", {}, Object.entries(k.inputs).map(([name, value]) => [h("dt", {}, t(INPUTS[name])), h("dd", {}, shown(name, value))])), { class: "definition" });
}

/** The cards of each value of a field. */
function ofKind(rows, key, title, body, users, nameOf = (value) => value) {
  return rows?.length ? h("div", {}, h("h3", { class: "sub" }, title), metricsTable(title, rows, key, (r) => (r[key] ? nameOf(r[key]) : t("(无)|(none)")), (r) => ({ [key]: r[key] }), body, users, 8, true)) : null;
}

function metricsTable(caption, rows, first, name, cell, body, users, limit = 50, few = false) {
  const most = Math.max(1, ...rows.map((r) => r.opens));
  const userColumn = (key, title, metric = key, show = number) => ({ name: key, title, number: true, value: (r) => r[key], cell: (r) => usersLink(show(r[key]), () => users("share", body, { metric, ...cell(r) }, `${name(r)} · ${title}`)) });
  return table(
    caption,
    [
      { name: first, title: caption, cell: (r) => withBar(name(r), r.opens / most), value: (r) => r[first] },
      // Of a group it is known only who opened there.
      ...(rows.some((r) => r.shares) ? [userColumn("shares", t("分享|Shares"), "sharers")] : []),
      userColumn("opens", t("打开|Opens"), "openers"),
      userColumn("openers", t("打开用户|Openers")),
      userColumn("new_users", t("新用户|New users")),
      ...(few ? [] : [userColumn("converters", t("转化用户|Converted"))]),
      ...(few ? [] : [userColumn("opens_per_share", t("每次分享打开|Opens per share"), "openers", fixed)]),
    ],
    rows,
    { limit },
  );
}

/** The cascade of a card; a card of it opens those who opened it. names: of its sharers; open(cell, title): users. */
function cascade({ root, total_cards: total, cards }, names, open) {
  const byParent = new Map();
  const known = new Set(cards.map((c) => c.share_id));
  for (const card of cards.slice(0, 400)) {
    const parent = card.share_id !== root && known.has(card.parent_share_id) ? card.parent_share_id : "";
    if (!byParent.has(parent)) byParent.set(parent, []);
    byParent.get(parent).push(card);
  }
  const colors = palette();
  const line = isDark() ? "#566274" : "#b7c0cc";
  const seen = new Set();
  const node = (card) => {
    seen.add(card.share_id);
    return {
      name: card.share_id,
      card,
      symbolSize: Math.min(28, 7 + Math.sqrt(card.opens) * 4),
      itemStyle: { color: colors[card.depth % colors.length] },
      children: (byParent.get(card.share_id) ?? []).filter((c) => !seen.has(c.share_id)).map(node),
    };
  };
  const [top] = cards.filter((c) => c.share_id === root);
  if (!top) return null;
  const tree = node(top);
  const widest = Math.max(...[...new Set(cards.map((c) => c.depth))].map((d) => cards.filter((c) => c.depth === d).length));
  return [
    h("h3", { class: "sub" }, t("卡片 {id} 的传播：{n} 张卡片|Cascade of {id}: {n} cards", { id: root, n: total })),
    chart(
      t("传播树，共 {n} 张卡片|Tree of {n} cards", { n: total }),
      () => ({
        tooltip: tooltip({
          formatter: (p) =>
            tip(p.data.card.share_id, [
              [null, t("层级|Depth"), number(p.data.card.depth)],
              [null, t("分享者|Sharer"), names.title(p.data.card.sharer)],
              [null, t("页面|Page"), plain(p.data.card.page)],
              [null, t("打开用户|Openers"), number(p.data.card.openers)],
              [null, t("新用户|New users"), number(p.data.card.new_users)],
            ]),
        }),
        series: [{ type: "tree", data: [tree], left: 20, right: 20, top: 10, bottom: 10, initialTreeDepth: -1, label: { show: false }, lineStyle: { color: line, width: 1.2 }, roam: false, expandAndCollapse: false }],
      }),
      { height: Math.min(640, Math.max(220, widest * 26)), onClick: ({ data: { card } }) => open({ metric: "openers", card: { app_id: card.app_id, share_id: card.share_id } }, `${card.share_id} · ${t("打开用户|Openers")}`) },
    ),
  ];
}

/** The cards opened most, to begin a cascade with. */
function topCards(state, set, users) {
  const body = {
    ...common(state),
    measures: [
      { event: "app_show", filter: { field: "share_id", op: "exists" }, aggregate: "users", as: "A" },
      { event: "app_show", filter: { field: "share_id", op: "exists" }, aggregate: "count", as: "B" },
    ],
    interval: null,
    breakdown: ["share_id"],
    breakdown_limit: 20,
  };
  return panel({
    title: t("打开最多的卡片|Cards opened most"),
    report: "events",
    name: "cards",
    body,
    wide: true,
    actions: [h("a", { class: "more-link", href: addressOf("events", { ...shared(state), measures: [{ event: "share", aggregate: "count" }], breakdown: ["page"] }) }, t("分享事件|Share events"))],
    isEmpty: (answer) => answer.result.series.length === 0,
    render: (answer) =>
      table(
        t("卡片|Cards"),
        [
          { name: "card", title: "share_id", cell: (r) => h("button", { type: "button", class: "users-link", onClick: () => set({ root: r.breakdown.share_id }) }, plain(r.breakdown.share_id)), value: (r) => r.breakdown.share_id },
          { name: "A", title: t("打开用户|Users"), number: true, cell: (r) => usersLink(number(r.total.A), () => users("events", body, { measure: "A", breakdown: r.breakdown }, plain(r.breakdown.share_id))), value: (r) => r.total.A },
          { name: "B", title: t("打开|Entries"), number: true, cell: (r) => usersLink(number(r.total.B), () => users("events", body, { measure: "B", breakdown: r.breakdown }, plain(r.breakdown.share_id))), value: (r) => r.total.B },
        ],
        answer.result.series.filter((r) => !r.other),
        { sorted: { name: "A", down: true } },
      ),
  });
}

