// Promoters: who is bound to whom, and whose registrations and orders are due to which promoter.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { fixed, instant, number, short } from "../format.js";
import { t } from "../i18n.js";
import { namesOf } from "../names.js";
import { against, eventField, figures, labelled, ofRange, selector } from "../parts.js";
import { eventFace, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { zone } from "../state.js";
import { button, segmented, select, table, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

const CODE = "properties.promoter_id";
const AMOUNT = "properties.amount";
const DAYS = [7, 15, 30, 60, 90, 180, 365];

export default function promoters({ state, set, has, users }) {
  const by = state.by ?? "sharer";
  const order = { event: "order_pay", ...(state.order ?? {}) };
  const registration = { event: "register", ...(state.registration ?? {}) };
  const body = {
    ...common(state),
    by,
    ...(by === "field" ? { promoter_field: state.code ?? CODE } : {}),
    binding: { rule: state.rule ?? "first", ...(state.days ? { days: Number(state.days) } : {}) },
    registration: selector(registration),
    order: selector(order),
    amount: state.amount ?? AMOUNT,
    ...(state.base ? { commission_base: state.base } : {}),
    ...(state.trail ? { trail: state.trail } : {}),
    ...compared(state),
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("分销条件|Promoters builder") },
      h(
        "div",
        { class: "builder-row" },
        labelled(t("分销员怎么认|Promoters are known by"), segmented(t("分销员怎么认|Promoters are known by"), [["sharer", t("分享卡片的人|who shared the card")], ["field", t("链接或二维码里的编号|a code in a link")]], by, (value) => set({ by: value === "sharer" ? undefined : value, trail: undefined }))),
        by === "field" ? labelled(t("编号字段|Field of the code"), fieldPicker(t("编号字段|Field of the code"), state.code ?? CODE, (code) => set({ code: code === CODE ? undefined : code }))) : null,
        labelled(t("绑定规则|Binding"), segmented(t("绑定规则|Binding"), [["first", t("先到先得|the first binds")], ["last", t("最后一次|the last binds")]], state.rule ?? "first", (rule) => set({ rule: rule === "first" ? undefined : rule }))),
        select(t("绑定有效期|Binding lasts"), [["", t("永久|for ever")], ...DAYS.map((n) => [n, t("{n} 天|{n} days", { n })])], state.days ?? "", (days) => set({ days: days || undefined })),
      ),
      h(
        "div",
        { class: "builder-row" },
        eventField(t("注册|Registration"), registration, state, (value) => set({ registration: value })),
        eventField(t("订单|Order"), order, state, (value) => set({ order: value })),
        labelled(t("订单金额|Amount"), fieldPicker(t("订单金额|Amount"), state.amount ?? AMOUNT, (field) => set({ amount: field === AMOUNT ? undefined : field }), { event: order.event, numbers: true })),
        labelled(t("佣金基数|Commission base"), fieldPicker(t("佣金基数|Commission base"), state.base, (base) => set({ base: base || undefined }), { event: order.event, numbers: true, none: t("同订单金额|the amount") })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("分销员|Promoters"),
      report: "promoters",
      body,
      wide: true,
      isEmpty: ({ result }) => result.promoters.length === 0 && !result.direct.registrations && !result.direct.orders,
      render: (answer) => view(answer.result, { body, state, set, users, profiles: has("profile") }),
    }),
  );
}

function view(result, { body, state, set, users, profiles }) {
  const { promoters: rows, direct, due, promoters_total: count, trail } = result;
  const before = result.compare;
  const isPerson = body.by === "sharer";
  const names = namesOf([...(isPerson ? [...rows.map((r) => r.promoter), ...(trail ? [state.trail] : [])] : []), ...(trail ?? []).map((order) => order.user)], body, { profiles });
  const name = (r) => (r.promoter === null ? t("没有分销员|Nobody") : isPerson ? names.title(r.promoter) : r.promoter);
  const most = Math.max(1, ...rows.map((r) => r.bound_users));
  const colors = palette();
  const shown = rows.slice(0, 12);
  const userColumn = (key, title, { metric = key, show = number } = {}) => ({ name: key, title, number: true, value: (r) => r[key], cell: (r) => usersLink(show(r[key]), () => users("promoters", body, { metric, ...(r.promoter === null ? {} : { promoter: r.promoter }) }, `${name(r)} · ${title}`)) });
  const orderColumn = userColumn("orders", t("订单|Orders"), { metric: "buyers" });
  const ofEveryone = (cell, title) => ({ open: (isBefore) => users("promoters", ofRange(body, isBefore), cell, title) });
  const anyRegistered = [...rows, direct].some((r) => r.registrations);
  return [
    figures([
      ["promoters", t("分销员|Promoters"), against(number, count, before?.promoters_total, body.by === "sharer" ? ofEveryone({ metric: "promoters" }, t("分销员|Promoters")) : {})],
      ["base", t("佣金基数|Commission base"), against(fixed, due.base, before?.due.base, ofEveryone({ metric: "buyers", promoter: "*" }, t("下单用户|Buyers")))],
      ["direct", t("无分销员的订单|Orders due to nobody"), against(number, direct.orders, before?.direct.orders, { good: false, ...ofEveryone({ metric: "buyers" }, t("无分销员的订单|Orders due to nobody")) })],
    ]),
    rows.length
      ? chart(
          t("各分销员的佣金基数，明细见下表|Commission base by promoter; the table below has the numbers"),
          () => {
            const option = timeOption({ labels: shown.map(name), kind: "bar", format: short, unit: t("佣金基数|Commission base"), series: [{ name: t("佣金基数|Commission base"), values: shown.map((r) => r.base), color: colors[0] }] });
            option.xAxis.axisLabel = { ...option.xAxis.axisLabel, formatter: (text) => text, interval: 0, width: 78, overflow: "truncate" };
            option.tooltip = tooltip({ trigger: "axis", formatter: ([p]) => tip(name(shown[p.dataIndex]), [[p.color, t("佣金基数|Commission base"), fixed(p.value)], [null, t("订单|Orders"), number(shown[p.dataIndex].orders)]]) });
            return option;
          },
          { height: 220, after: names.known, onClick: (p) => set({ trail: shown[p.dataIndex].promoter }) },
        )
      : null,
    trail ? orders(trail, isPerson ? names.link(state.trail) : state.trail, names, set) : null,
    h("h3", { class: "sub" }, t("各分销员|Each promoter")),
    table(
      t("各分销员|Each promoter"),
      [
        { name: "promoter", title: t("分销员|Promoter"), value: name, cell: (r) => withBar(isPerson && r.promoter !== null ? names.link(r.promoter) : name(r), r.bound_users / most) },
        userColumn("bound_users", t("绑定用户|Bound users")),
        ...(anyRegistered ? [userColumn("registered_users", t("注册用户|Registered"))] : []),
        { ...orderColumn, cell: (r) => (r.promoter === null ? orderColumn.cell(r) : h("button", { type: "button", class: "users-link", title: t("查看订单依据|Show what they are due to"), onClick: () => set({ trail: r.promoter }) }, number(r.orders))) },
        userColumn("buyers", t("下单用户|Buyers")),
        userColumn("amount", t("订单金额|Amount"), { metric: "buyers", show: fixed }),
        userColumn("base", t("佣金基数|Commission base"), { metric: "buyers", show: fixed }),
      ],
      direct.registrations || direct.orders ? [...rows, direct] : rows,
      { limit: 50, sorted: { name: "base", down: true } },
    ),
    anyRegistered ? null : h("p", { class: "legend" }, t("这段时间没有注册事件“{event}”，所以不列注册用户。|Nobody registered in this range by the event {event}: no column of registrations.", { event: eventFace(body.registration.event) })),
    h("p", { class: "legend" }, t("每个订单只归给下单时绑定着的分销员；没有绑定的在“没有分销员”一行，所以每列相加等于全部。点击订单数查看每单的依据。|An order is due to the promoter bound at its time; without one it stands under Nobody, so every column adds up. Click the orders to see what each is due to.")),
  ];
}

/** Each order with the touch that it is due to. promoter: theirs; names: of the users. */
function orders(trail, promoter, names, set) {
  return [
    h("div", { class: "row" }, h("h3", { class: "sub" }, t("订单依据：|What the orders are due to: "), promoter), button(t("收起|Close"), () => set({ trail: undefined }), { class: "button ghost small" })),
    table(
      t("订单依据|What the orders are due to"),
      [
        { name: "at", title: t("下单时间|Ordered"), value: (r) => r.at, cell: (r) => h("span", { class: "day" }, instant(r.at, zone())) },
        { name: "user", title: t("用户|User"), value: (r) => names.title(r.user), cell: (r) => names.link(r.user) },
        { name: "amount", title: t("订单金额|Amount"), number: true, value: (r) => r.amount, cell: (r) => fixed(r.amount) },
        { name: "base", title: t("佣金基数|Commission base"), number: true, value: (r) => r.base, cell: (r) => fixed(r.base) },
        { name: "touch", title: t("绑定时间|Bound"), value: (r) => r.touch?.at ?? "", cell: (r) => (r.touch ? h("span", { class: "day" }, instant(r.touch.at, zone())) : "–") },
        { name: "event", title: t("凭据|By"), cell: (r) => h("code", { class: "clip" }, r.touch ? r.touch.event_id : "–") },
      ],
      trail,
      { limit: 50 },
    ),
  ];
}
