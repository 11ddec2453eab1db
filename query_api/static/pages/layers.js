// Layers: everybody in exactly one leaf of a declared tree, at two days, and who went from where to where between them.

import { chart, palette, sankeyOption, timeOption, tip, tooltip } from "../charts.js";
import { declaredEditor, declaredField } from "../declared.js";
import { h } from "../dom.js";
import { number, rate } from "../format.js";
import { ownHalf, t } from "../i18n.js";
import { figures } from "../parts.js";
import { common, filterSection, panel } from "../report.js";
import { ruleWords } from "../rules.js";
import { fold, notice, table, usersLink } from "../widgets.js";

const SHIPPED = [["group.v1", "集团新老客（group.v1）|New and old customers (group.v1)"]];
const EXAMPLE = {
  name: "activity",
  version: 1,
  title: "活跃分层 / by activity",
  children: [
    { key: "buyers", title: "30 天内下单 / ordered within 30 days", when: { did: { event: "order_pay", within: { last: 30 } } } },
    { key: "active", title: "7 天内来过 / seen within 7 days", when: { did: { within: { last: 7 } } } },
    { key: "rest", title: "其他 / the rest" },
  ],
};

export default function layers({ state, set, users }) {
  const tree = state.tree ?? SHIPPED[0][0];
  const { filter: _, ...rest } = common(state);
  const bodyOf = (given) => ({ ...rest, tree: given });
  const body = bodyOf(tree);
  const take = (given) => set({ tree: given });
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("分层条件|Layers builder") },
      h(
        "div",
        { class: "builder-row" },
        declaredField({ title: t("分层方案|Tree"), key: "tree", page: "layers", shipped: SHIPPED, given: state.tree, choose: take, begin: () => EXAMPLE }),
        h("p", { class: "legend" }, t("时间范围的首日和末日各为一次盘点，流转是两日之间的变化。|The first and the last day of the range are compared.")),
      ),
      typeof tree === "object"
        ? declaredEditor({
            title: t("分层树（JSON）|Tree (JSON)"),
            explain: t("分层树（JSON）：从上到下第一个满足 when 的子层；最后一个子层没有 when，收下其余的人|Tree (JSON): the first child whose `when` holds; the last one has none and takes the rest"),
            key: "tree",
            page: "layers",
            report: "layers",
            given: tree,
            bodyOf,
            take,
          })
        : null,
      filterSection(state, set, { filter: false, compare: "" }),
    ),
    panel({
      title: t("用户分层|Layers"),
      report: "layers",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.dates.every((d) => d.total === 0),
      render: (answer) => view(answer, body, users),
    }),
  );
}

/** A title without what explains it. */
const half = (title) => ownHalf(title).split(/[：:]/)[0].trim();

const leafTitle = (leaf) => leaf.titles.map((title, i) => half(title) || leaf.layer.split("/")[i]).join(" › ");
const lastTitle = (leaf) => half(leaf.titles[leaf.titles.length - 1]) || leaf.layer.split("/").pop();

function view(answer, body, users) {
  const [first, last] = answer.result.dates;
  const { flow } = answer.result;
  const colors = palette();
  const colorOf = new Map(last.leaves.map((leaf, i) => [leaf.layer, colors[i % colors.length]]));
  const titleOf = new Map(last.leaves.map((leaf) => [leaf.layer, leafTitle(leaf)]));
  const name = (layer) => (layer === null ? t("尚未出现|Not seen yet") : titleOf.get(layer));
  const open = (cell, title) => users("layers", body, cell, title);
  const moved = flow.filter((f) => f.from !== null && f.from !== f.to).reduce((sum, f) => sum + f.users, 0);
  const arrived = flow.filter((f) => f.from === null).reduce((sum, f) => sum + f.users, 0);
  return [
    figures([
      ["first", first.date, usersLink(number(first.total), () => open({ first: true }, first.date))],
      ["last", last.date, usersLink(number(last.total), () => open({}, last.date))],
      ["moved", t("换了层|Changed layer"), usersLink(number(moved), () => open({ moved: true }, t("换了层|Changed layer")))],
      ["arrived", t("期间首次出现|Came since"), usersLink(number(arrived), () => open({ from: null }, t("期间首次出现|Came since")))],
    ]),
    stacked(answer.result.dates, colorOf, open),
    h("h3", { class: "sub" }, t("两日之间的流转|Flow between the two days")),
    flow.length ? sankey(flow, first, last, name, colorOf, open) : notice("empty", t("没有流转|No flow")),
    h("h3", { class: "sub" }, t("每层名单|Each layer")),
    table(
      t("每层名单|Each layer"),
      [
        { name: "layer", title: t("分层|Layer"), cell: (leaf) => [h("span", { class: "swatch", style: { background: colorOf.get(leaf.layer) } }), " ", h("span", { title: leaf.titles.join(" › ") }, leafTitle(leaf))], value: leafTitle },
        { name: "first", title: first.date, number: true, value: (leaf) => at(first, leaf).users, cell: (leaf) => usersLink(number(at(first, leaf).users), () => open({ layer: leaf.layer, first: true }, `${leafTitle(leaf)} ${first.date}`), rate(at(first, leaf).share)) },
        { name: "last", title: last.date, number: true, value: (leaf) => leaf.users, cell: (leaf) => usersLink(number(leaf.users), () => open({ layer: leaf.layer }, `${leafTitle(leaf)} ${last.date}`), rate(leaf.share)) },
        { name: "change", title: t("变化|Change"), number: true, value: (leaf) => leaf.users - at(first, leaf).users, cell: (leaf) => signed(leaf.users - at(first, leaf).users) },
      ],
      last.leaves,
    ),
    fold(
      "flow",
      t("流转明细|Flow as a table"),
      table(
        t("流转明细|Flow as a table"),
        [
          { name: "from", title: t("从|From"), cell: (f) => name(f.from), value: (f) => name(f.from) },
          { name: "to", title: t("到|To"), cell: (f) => name(f.to), value: (f) => name(f.to) },
          { name: "users", title: t("用户|Users"), number: true, value: (f) => f.users, cell: (f) => usersLink(number(f.users), () => open({ from: f.from, to: f.to }, `${name(f.from)} → ${name(f.to)}`)) },
        ],
        flow.filter((f) => f.to !== null),
        { sorted: { name: "users", down: true } },
      ),
    ),
    fold("rules", t("各层规则|Rules of the layers"), h("ul", { class: "tree-rules" }, answer.semantics.tree.children.map(ruleOf))),
  ];
}

const at = (side, leaf) => side.leaves.find((other) => other.layer === leaf.layer);
const signed = (value) => (value > 0 ? `+${number(value)}` : number(value));

function ruleOf(node) {
  return h("li", {}, h("b", {}, half(node.title) || node.key), " ", h("span", { class: "muted" }, node.when ? ruleWords(node.when) : t("其余|the rest")), node.children ? h("ul", { class: "tree-rules" }, node.children.map(ruleOf)) : null);
}

function stacked(dates, colorOf, open) {
  const labels = dates.map((d) => d.date);
  const [, last] = dates;
  return chart(
    t("两日各层人数：{list}|Users of each layer on both days: {list}", { list: last.leaves.map((leaf) => `${leafTitle(leaf)} ${number(leaf.users)}`).join(", ") }),
    () => {
      const option = timeOption({
        labels,
        kind: "bar",
        stacked: true,
        series: last.leaves.map((leaf, i) => ({ name: leafTitle(leaf), key: leaf.layer, color: colorOf.get(leaf.layer), values: dates.map((d) => d.leaves[i].users) })),
      });
      // Two bars lie down: their parts can be compared by length.
      option.yAxis = { ...option.xAxis, inverse: true, boundaryGap: true, axisLabel: { ...option.xAxis.axisLabel, formatter: (label) => label } };
      option.xAxis = { type: "value", splitLine: { show: false }, axisLabel: { show: false } };
      option.series.forEach((s) => (s.barMaxWidth = 34));
      option.tooltip = tooltip({ trigger: "item", formatter: (p) => tip(labels[p.dataIndex], [[p.color, p.seriesName, `${number(p.value)} · ${rate(dates[p.dataIndex].leaves[p.seriesIndex].share)}`]]) });
      return option;
    },
    { height: 170, onClick: (p) => open({ layer: last.leaves[p.seriesIndex].layer, ...(p.dataIndex === 0 ? { first: true } : {}) }, `${p.seriesName} ${labels[p.dataIndex]}`) },
  );
}

function sankey(flow, first, last, name, colorOf, open) {
  const short = new Map(last.leaves.map((leaf) => [leaf.layer, lastTitle(leaf)]));
  const title = (layer) => (layer === null ? name(null) : short.get(layer));
  const side = (prefix, layers, depth) => [...new Set(layers)].map((layer) => ({ name: `${prefix}${layer ?? ""}`, title: title(layer), layer, depth, itemStyle: { color: colorOf.get(layer) ?? palette()[8] } }));
  const shown = flow.filter((f) => f.to !== null && f.users > 0);
  return chart(
    t("从 {first} 到 {last} 的流转，明细见下表|Flow from {first} to {last}; its numbers are in the table below", { first: first.date, last: last.date }),
    () => {
      const option = sankeyOption([...side("0/", shown.map((f) => f.from), 0), ...side("1/", shown.map((f) => f.to), 1)], shown.map((f) => ({ source: `0/${f.from ?? ""}`, target: `1/${f.to}`, value: f.users, from: name(f.from), to: name(f.to), cell: { from: f.from, to: f.to } })), { format: number, counted: t("用户|Users") });
      return option;
    },
    { height: Math.max(240, last.leaves.length * 60), onClick: (p) => p.dataType === "edge" && open(p.data.cell, `${p.data.from} → ${p.data.to}`) },
  );
}
