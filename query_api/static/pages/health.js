// Health: one score from a declared tree of indicators, and what to raise first.

import { chart, palette, timeOption } from "../charts.js";
import { declaredEditor, declaredField, declaredIn } from "../declared.js";
import { h } from "../dom.js";
import { day, duration, fixed, NONE, number, rate } from "../format.js";
import { ownHalf, t } from "../i18n.js";
import { delta, figures, labelled, numberInput } from "../parts.js";
import { common, compared, filterSection, panel } from "../report.js";
import { addDays } from "../state.js";
import { segmented, table, usersLink } from "../widgets.js";
import { measureOf } from "./events.js";
import { withBar } from "./overview.js";

/** Whose a measure's value is, by its report and where in the answer it stands: cell(match, question, last day). */
const BEHIND = [
  ["events", /^series\[0\]\.total\.(\w+)$/, ([, name], question) => ({ measure: measureOf(name, question) })],
  ["sessions", /^series\[0\]\.total\.bounce/, () => ({ bounced: true })],
  ["sessions", /^series\[0\]\.total\./, () => ({})],
  ["scenes", /^total\.next_day_retention$/, () => ({ metric: "next_day_returned" })],
  ["stickiness", /^rolling\[-1\]\.dau/, (_, __, last) => ({ day: last, metric: "dau" })],
  ["retention", /^total\.rates\[(\d+)\]$/, ([, n]) => ({ period: Number(n) })],
];

/** A value with its users, as the report that it is measured by has them; of other places of an own model they are not known. */
function withUsers(text, { report, ask, value }, state, point, users, title) {
  const [, at, cell] = BEHIND.find(([name, where]) => name === report && where.test(value)) ?? [];
  if (!cell) return text;
  const { filter, time_range: range, ...rest } = common(state);
  const filters = [filter, ask?.filter].filter(Boolean);
  const question = {
    ...rest,
    ...ask,
    time_range: state.interval ? { from: point.from, to: point.to } : range,
    ...(filters.length ? { filter: { relation: "and", conditions: filters } } : {}),
  };
  return usersLink(text, () => users(report, question, cell(at.exec(value), question, addDays(point.to.slice(0, 10), -1)), title));
}

const SHIPPED = [["sci_like.v1", "仿 SCI 示例（sci_like.v1）|In the manner of SCI (sci_like.v1)"]];

export default function health({ state, set, users }) {
  const question = { ...common(state), ...(state.interval ? { interval: state.interval } : {}), ...compared(state) };
  // Numbers given by hand are of the leaves of their model.
  const bodyOf = (model) => ({ ...question, ...(model ? { model } : {}), ...(state.values && model === state.model ? { values: state.values } : {}) });
  const body = bodyOf(state.model);
  const take = (model) => set({ model, values: valuesOf(model, state.values), time: undefined });
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("健康分条件|Health builder") },
      h(
        "div",
        { class: "builder-row" },
        labelled(
          t("打分|Score"),
          segmented(
            t("打分|Score"),
            [
              ["", t("整个时间范围|the whole range")],
              ["week", t("每周|each week")],
              ["month", t("每月|each month")],
            ],
            state.interval ?? "",
            (interval) => set({ interval: interval || undefined, time: undefined }),
          ),
        ),
        declaredField({ title: t("评分模型|Model"), key: "model", page: "health", shipped: SHIPPED, given: state.model, choose: take, begin: () => declaredIn("health", body, "model", "my_health") }),
      ),
      typeof state.model === "object"
        ? declaredEditor({
            title: t("评分模型（JSON）|Model (JSON)"),
            explain: t(
              "评分模型（JSON）：indicators 按 weight 分配总分 scale；叶子的 measure 是某个报表的一个数，points 把数值换成 0 到 1 的得分，中间按直线；没有 measure 的由人填写；grades 从低到高|Model (JSON): indicators share `scale` by weight; a leaf's measure is a number of a report and its points turn it into 0 to 1, straight between them; without a measure people give it; grades from the lowest",
            ),
            key: "model",
            page: "health",
            report: "health",
            given: state.model,
            bodyOf,
            take,
          })
        : null,
      filterSection(state, set),
    ),
    panel({
      title: t("健康分|Health score"),
      report: "health",
      body,
      wide: true,
      // A score of nothing says nothing.
      isEmpty: ({ result }) => result.points.every((p) => p.indicators.every((one) => !one.value)),
      render: (answer) => view(answer, state, set, users),
    }),
  );
}

function shown(value, unit) {
  if (value === null || value === undefined) return NONE;
  if (unit === "ms") return duration(value);
  if (unit.startsWith("of ") || unit === "DAU / MAU") return rate(value);
  return fixed(value);
}

/** Titles of nodes and measures of leaves by path; and the leaves whose value only people know. */
function walk(nodes, path = "", found = { titles: new Map(), measures: new Map(), given: [] }) {
  for (const node of nodes) {
    const here = `${path}${node.key}`;
    found.titles.set(here, ownHalf(node.title ?? "") || node.key);
    if (node.children) walk(node.children, `${here}/`, found);
    else if (node.measure) found.measures.set(here, node.measure);
    else found.given.push(here);
  }
  return found;
}

function view(answer, state, set, users) {
  const { points } = answer.result;
  const { model } = answer.semantics;
  const point = points.find((p) => p.time === state.time) ?? points.findLast((p) => p.mature) ?? points[points.length - 1];
  const { titles, measures, given } = walk([...model.indicators, ...(model.bonus ?? [])]);
  const before = answer.result.compare?.points[points.indexOf(point)];
  const title = (path) => titles.get(path) ?? path;
  const group = (path) => (path.includes("/") ? title(path.split("/")[0]) : t("加分|Bonus"));
  const best = Math.max(1e-9, ...point.indicators.map((one) => one.possible_gain));
  return [
    figures([
      ["score", t("总分|Score"), [`${fixed(point.score)} / ${number(model.scale)}`, before ? delta(point.score, before.score, fixed) : null]],
      ["grade", t("等级|Grade"), point.grade],
      point.next_grade ? ["next", t("距离 {grade} 级|To grade {grade}", { grade: point.next_grade }), `+${fixed(point.points_to_next_grade)}`] : null,
    ]),
    h("p", { class: "muted" }, ownHalf(model.title ?? ""), point.time ? ` · ${day(point.time, true)}` : "", point.mature ? null : h("span", { class: "badge warn" }, t("未结束|open"))),
    points.length > 1 ? trend(points, model, set) : null,
    h("h3", { class: "sub" }, t("先提升什么|What to raise first")),
    h(
      "ol",
      { class: "raise" },
      point.raise_first.slice(0, 5).map((path) => {
        const one = point.indicators.find((other) => other.path === path);
        return h("li", {}, h("b", {}, title(path)), " ", h("span", { class: "muted" }, t("现在 {value}，最多还能加 {gain} 分|now {value}, up to {gain} points more", { value: shown(one.value, one.unit), gain: fixed(one.possible_gain) })), one.value_for_next_grade === null || one.value_for_next_grade === undefined ? null : h("span", { class: "badge good" }, t("到 {value} 即升级|{value} lifts the grade", { value: shown(one.value_for_next_grade, one.unit) })));
      }),
    ),
    h("h3", { class: "sub" }, t("各项指标|Indicators")),
    table(
      t("各项指标|Indicators"),
      [
        { name: "title", title: t("指标|Indicator"), cell: (one) => title(one.path), value: (one) => title(one.path) },
        { name: "group", title: t("分组|Group"), cell: (one) => h("span", { class: "muted" }, group(one.path)), value: (one) => group(one.path) },
        {
          name: "value",
          title: t("数值|Value"),
          number: true,
          value: (one) => one.value,
          cell: (one) =>
            given.includes(one.path)
              ? numberInput(t("{name}（0 到 1）|{name} (0 to 1)", { name: title(one.path) }), typeof state.values?.[one.path] === "number" ? state.values[one.path] : undefined, (value) => set({ values: write(state.values, one.path, value) }), { placeholder: t("手工填写|by hand") })
              : withUsers(shown(one.value, one.unit), measures.get(one.path), state, point, users, title(one.path)),
        },
        { name: "points", title: t("得分|Points"), number: true, value: (one) => one.points, cell: (one) => (one.full_points ? [fixed(one.points), h("span", { class: "muted" }, ` / ${fixed(one.full_points)}`)] : NONE) },
        { name: "gain", title: t("还能加|Could gain"), value: (one) => one.possible_gain, cell: (one) => withBar(one.possible_gain >= 0.005 ? `+${fixed(one.possible_gain)}` : h("span", { class: "muted" }, one.full_points ? t("已满分|full marks") : t("未计分|not counted")), one.possible_gain / best) },
      ],
      point.indicators,
    ),
    h("p", { class: "legend" }, t("分数由声明的指标树计算，权重和分档见口径定义；随产品附带的是示例，可在“评分模型”里换成自己的。数值打开它背后的用户；分数是算出来的，没有名单。|The score follows a declared tree of indicators, whose weights and points are in the definition. The shipped one is an example: choose a model of your own above. A value opens its users; points are computed and have none.")),
  ];
}

/** The numbers given by hand that the leaves of a model of one's own still take. */
function valuesOf(model, values = {}) {
  if (typeof model !== "object") return undefined;
  const { given } = walk([...model.indicators, ...(model.bonus ?? [])]);
  const kept = Object.entries(values).filter(([path]) => given.includes(path));
  return kept.length ? Object.fromEntries(kept) : undefined;
}

function write(values, path, value) {
  const next = { ...values, [path]: value };
  if (value === undefined) delete next[path];
  return Object.keys(next).length ? next : undefined;
}

function trend(points, model, set) {
  const labels = points.map((p) => p.time);
  const immature = points.findIndex((p) => !p.mature);
  return chart(
    t("健康分趋势|Trend of the score"),
    () => timeOption({ labels, kind: "bar", format: (v) => number(v, 1), partial: immature < 0 ? labels.length : immature, series: [{ name: t("总分|Score"), values: points.map((p) => p.score), color: palette()[0] }] }),
    { height: 180, onClick: (p) => set({ time: labels[p.dataIndex] }) },
  );
}
