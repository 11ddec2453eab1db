// Paths: what users do after an event, or before one; a flow, and the same as a table.

import { chart, palette, sankeyOption } from "../charts.js";
import { h } from "../dom.js";
import { number, plain, rate } from "../format.js";
import { eventTitle, t } from "../i18n.js";
import { against, figures, ofRange } from "../parts.js";
import { eventPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { check, segmented, select, table, usersLink } from "../widgets.js";

export default function paths({ state, set, users }) {
  const end = state.direction === "end";
  const anchor = state.anchor ?? (end ? "order_pay" : "app_launch");
  const body = {
    ...common(state),
    [end ? "end" : "start"]: { event: anchor },
    depth: Number(state.depth ?? 5),
    top: Number(state.top ?? 6),
    collapse_repeats: state.repeats !== true,
    ...(state.pages === false ? {} : { split: [{ event: "page_view", field: "page" }] }),
    ...compared(state),
    // Technical events say little about the way.
    ...(state.all_events ? {} : { filter: withoutTechnical(common(state).filter, anchor) }),
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("路径条件|Paths builder") },
      h(
        "div",
        { class: "builder-row" },
        h(
          "div",
          { class: "field" },
          h("span", { class: "label" }, t("方向|Direction")),
          segmented(
            t("方向|Direction"),
            [
              ["start", t("从某事件开始|after an event")],
              ["end", t("到某事件结束|before an event")],
            ],
            end ? "end" : "start",
            (direction) => set({ direction: direction === "end" ? "end" : undefined, anchor: undefined }),
          ),
        ),
        h("div", { class: "field" }, h("span", { class: "label" }, end ? t("结束事件|End event") : t("开始事件|Start event")), eventPicker(end ? t("结束事件|End event") : t("开始事件|Start event"), anchor, (event) => set({ anchor: event }))),
        select(t("步数|Levels"), [3, 4, 5, 6, 8].map((n) => [n, String(n)]), state.depth ?? 5, (depth) => set({ depth: Number(depth) })),
        select(t("每步显示|Nodes per level"), [4, 6, 8, 12].map((n) => [n, String(n)]), state.top ?? 6, (top) => set({ top: Number(top) })),
      ),
      h(
        "div",
        { class: "row" },
        check(t("按页面区分浏览|Split page views by page"), state.pages !== false, (on) => set({ pages: on ? undefined : false })),
        check(t("包括离开、隐藏等技术事件|With technical events"), state.all_events === true, (on) => set({ all_events: on || undefined })),
        check(t("保留连续重复|Keep repeats"), state.repeats === true, (on) => set({ repeats: on || undefined })),
      ),
      filterSection(state, set),
    ),
    panel({
      title: end ? t("到“{event}”的路径|Paths to {event}", { event: eventTitle(anchor) || anchor }) : t("“{event}”之后的路径|Paths after {event}", { event: eventTitle(anchor) || anchor }),
      report: "paths",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.sessions === 0,
      render: (answer) => view(answer, body, users),
    }),
  );
}

const TECHNICAL = ["page_leave", "app_hide", "app_show", "identify", "user_set", "user_set_once", "user_increment", "user_unset"];

function withoutTechnical(filter, anchor) {
  const without = { field: "event", op: "not_in", values: TECHNICAL.filter((name) => name !== anchor) };
  return filter ? { relation: "and", conditions: [filter, without] } : without;
}

function nodeTitle(node) {
  if (node.other) return t("其他|Other");
  const name = eventTitle(node.event) || node.event;
  return node.value === null || node.value === undefined ? name : plain(node.value);
}

function view(answer, body, users) {
  const { nodes, links, sessions, users: people, compare } = answer.result;
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const colors = palette();
  const names = [...new Set(nodes.map(nodeTitle))];
  const colorOf = (n) => (n.other ? colors[8] : colors[names.indexOf(nodeTitle(n)) % colors.length]);
  return [
    figures([
      ["sessions", t("会话|Sessions"), against(number, sessions, compare?.sessions, { open: (isBefore) => users("paths", ofRange(body, isBefore), {}, t("会话|Sessions")) })],
      ["users", t("用户|Users"), against(number, people, compare?.users, { open: (isBefore) => users("paths", ofRange(body, isBefore), {}, t("用户|Users")) })],
    ]),
    chart(
      t("路径图，共 {n} 个会话，明细见下表|Flow of {n} sessions; the table below has its numbers", { n: number(sessions) }),
      () =>
        sankeyOption(
          nodes.map((n) => ({ name: n.id, title: nodeTitle(n), depth: n.level - 1, itemStyle: { color: colorOf(n) } })),
          links.map((l) => ({ source: l.source, target: l.target, value: l.sessions, from: nodeTitle(byId.get(l.source)), to: nodeTitle(byId.get(l.target)) })),
          { format: number },
        ),
      {
        height: 420,
        onClick: (p) =>
          p.dataType === "edge"
            ? users("paths", body, { source: p.data.source, target: p.data.target }, `${p.data.from} → ${p.data.to}`)
            : users("paths", body, { node: p.data.name }, p.data.title),
      },
    ),
    table(
      t("各步|Levels"),
      [
        { name: "level", title: t("步|Level"), cell: (n) => String(n.level), value: (n) => n.level },
        { name: "node", title: t("事件|Event"), cell: (n) => [h("span", { class: "swatch", style: { background: colorOf(n) } }), " ", nodeTitle(n)], value: nodeTitle },
        { name: "sessions", title: t("会话|Sessions"), number: true, cell: (n) => usersLink(number(n.sessions), () => users("paths", body, { node: n.id }, nodeTitle(n))), value: (n) => n.sessions },
        { name: "users", title: t("用户|Users"), number: true, value: (n) => n.users, cell: (n) => usersLink(number(n.users), () => users("paths", body, { node: n.id }, nodeTitle(n))) },
        { name: "exits", title: t("在此结束|Ends here"), number: true, value: (n) => n.exits, cell: (n) => usersLink(number(n.exits), () => users("paths", body, { node: n.id, exits: true }, `${nodeTitle(n)} · ${t("在此结束|ends here")}`)) },
        { name: "rate", title: t("结束率|Rate"), number: true, cell: (n) => usersLink(rate(n.exit_rate), () => users("paths", body, { node: n.id, exits: true }, `${nodeTitle(n)} · ${t("在此结束|ends here")}`)), value: (n) => n.exit_rate },
      ],
      nodes,
      { limit: 80 },
    ),
  ];
}
