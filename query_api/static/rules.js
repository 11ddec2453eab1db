// The builder of rules: which persons. Conditions and groups as the API takes them, and the same in words.

import { h } from "./dom.js";
import { filterBuilder, forApi, opTitle } from "./filters.js";
import { number, plain } from "./format.js";
import { t } from "./i18n.js";
import { numberInput, selector } from "./parts.js";
import { eventFace, eventPicker, fieldFace, fieldPicker } from "./pickers.js";
import { segmentName, segmentPicker } from "./segments.js";
import { button, iconButton, select } from "./widgets.js";

const KINDS = [
  ["did", "做过|did"],
  ["did_not", "没做过|did not"],
  ["sequence", "依次做过|did one after another"],
  ["not_sequence", "没有依次做过|did not do one after another"],
  ["property", "用户属性满足|attributes are"],
  ["segment", "属于分群|is in segment"],
  ["not_segment", "不属于分群|is not in segment"],
];
const MEASURES = [
  ["any", "至少一次|at least once"],
  ["times", "次数|times"],
  ["days", "天数|days"],
  ["sum", "数值之和|sum of a number"],
];
const WITHIN = [
  ["", "在全部历史中|at any time"],
  ["1", "过去 1 天|in the last day"],
  ["7", "过去 7 天|in the last 7 days"],
  ["14", "过去 14 天|in the last 14 days"],
  ["30", "过去 30 天|in the last 30 days"],
  ["90", "过去 90 天|in the last 90 days"],
  ["180", "过去 180 天|in the last 180 days"],
];
const MAX_DEPTH = 3;

const START = {
  did: (rule) => ({ did: rule.did ?? rule.did_not ?? { event: "" } }),
  did_not: (rule) => ({ did_not: rule.did ?? rule.did_not ?? { event: "" } }),
  sequence: (rule) => ({ sequence: rule.sequence ?? { steps: [{ event: "" }, { event: "" }] } }),
  not_sequence: (rule) => ({ sequence: rule.sequence ?? { steps: [{ event: "" }, { event: "" }] }, not: true }),
  property: () => ({ property: { relation: "and", conditions: [{ field: "", op: "eq", values: [] }] } }),
  segment: (rule) => ({ segment: rule.segment ?? "" }),
  not_segment: (rule) => ({ segment: rule.segment ?? "", not: true }),
};

function kindOf(rule) {
  if (rule.did) return "did";
  if (rule.did_not) return "did_not";
  if (rule.sequence) return rule.not ? "not_sequence" : "sequence";
  if (rule.property) return "property";
  return rule.not ? "not_segment" : "segment";
}

/** What of a rule can be asked: half-written conditions are left out. */
export function completeRule(rule) {
  if (!rule) return undefined;
  const not = rule.not ? { not: true } : {};
  if (rule.rules) {
    const rules = rule.rules.map(completeRule).filter(Boolean);
    return rules.length ? { relation: rule.relation ?? "and", rules, ...not } : undefined;
  }
  for (const name of ["did", "did_not"]) {
    if (!rule[name]) continue;
    const { times, days, sum, within } = rule[name];
    const bounds = bounded(times) ? { times } : bounded(days) ? { days } : bounded(sum) && sum.field ? { sum } : {};
    if (!rule[name].event && !Object.keys(bounds).length && !within && !rule[name].filter) return undefined;
    return { [name]: { ...selector(rule[name]), ...bounds, ...(within ? { within } : {}) }, ...not };
  }
  if (rule.sequence) {
    const steps = rule.sequence.steps.filter((s) => s.event).map(selector);
    return steps.length >= 2 ? { sequence: { ...rule.sequence, steps }, ...not } : undefined;
  }
  if (rule.property) {
    const property = forApi(rule.property);
    return property ? { property, ...not } : undefined;
  }
  return rule.segment ? { segment: rule.segment, ...not } : undefined;
}

const bounded = (bounds) => bounds && (bounds.at_least !== undefined || bounds.at_most !== undefined);

/** Build a rule: a group of conditions. onChange gets the whole new one. */
export function ruleBuilder(label, rule, onChange, { common, depth = 1 } = {}) {
  const relation = rule?.relation ?? "and";
  const rules = rule?.rules ?? [];
  const change = (next) => onChange(next.length ? { relation, rules: next } : undefined);
  const at = (i, value) => change(rules.map((r, j) => (j === i ? value : r)).filter(Boolean));
  return h(
    "div",
    { class: "rules", role: "group", "aria-label": label },
    rules.length > 1
      ? select(
          t("条件关系|Relation"),
          [
            ["and", t("满足全部|All of")],
            ["or", t("满足任一|Any of")],
          ],
          relation,
          (value) => onChange({ relation: value, rules }),
          { hidden: true },
        )
      : null,
    rules.map((one, i) =>
      one.rules
        ? h("div", { class: "filter-group" }, ruleBuilder(t("条件组 {n}|Group {n}", { n: i + 1 }), one, (value) => at(i, value), { common, depth: depth + 1 }))
        : condition(one, i, (value) => at(i, value), common),
    ),
    h(
      "div",
      { class: "filter-actions" },
      button(t("添加条件|Add a condition"), () => change([...rules, { did: { event: "" } }]), { class: "button ghost small", icon: "plus" }),
      depth < MAX_DEPTH && rules.length
        ? button(t("添加条件组|Add a group"), () => change([...rules, { relation: relation === "and" ? "or" : "and", rules: [{ did: { event: "" } }] }]), { class: "button ghost small" })
        : null,
    ),
  );
}

function condition(rule, i, onChange, common) {
  const kind = kindOf(rule);
  const n = i + 1;
  return h(
    "div",
    { class: "rule" },
    h(
      "div",
      { class: "condition" },
      select(t("条件 {n}|Condition {n}", { n }), KINDS.map(([v, text]) => [v, t(text)]), kind, (value) => onChange(START[value](rule)), { hidden: true }),
      kind === "did" || kind === "did_not" ? did(rule[kind], n, (value) => onChange({ [kind]: value }), common) : null,
      kind === "sequence" || kind === "not_sequence" ? sequence(rule.sequence, n, (value) => onChange({ ...rule, sequence: value })) : null,
      kind === "segment" || kind === "not_segment" ? segmentPicker(t("条件 {n} 的分群|Segment of condition {n}", { n }), rule.segment, (segment) => onChange({ ...rule, segment })) : null,
      iconButton("close", t("删除条件 {n}|Remove condition {n}", { n }), () => onChange(undefined)),
    ),
    kind === "did" || kind === "did_not"
      ? filterBuilder(t("条件 {n} 的事件筛选|Filter of condition {n}", { n }), rule[kind].filter, (filter) => onChange({ [kind]: { ...rule[kind], filter } }), { event: rule[kind].event, common, depth: 3 })
      : null,
    kind === "property" ? filterBuilder(t("条件 {n} 的用户属性|Attributes of condition {n}", { n }), rule.property, (property) => onChange(property ? { property } : undefined), { common, depth: 3, persons: true }) : null,
  );
}

function did(given, n, onChange, common) {
  const measure = given.times ? "times" : given.days ? "days" : given.sum ? "sum" : "any";
  const { times, days, sum, ...rest } = given;
  const bounds = times ?? days ?? sum ?? {};
  const set = (part) => onChange({ ...given, [measure]: { ...bounds, ...part } });
  const last = given.within ? String(given.within.last ?? "") : "";
  return [
    eventPicker(t("条件 {n} 的事件|Event of condition {n}", { n }), given.event ?? "", (event) => onChange({ ...given, event, filter: undefined }), { any: true }),
    select(t("条件 {n} 的算法|Measure of condition {n}", { n }), MEASURES.map(([v, text]) => [v, t(text)]), measure, (value) => onChange(value === "any" ? rest : { ...rest, [value]: value === "sum" ? { field: "" } : { at_least: 2 } }), { hidden: true }),
    measure === "sum" ? fieldPicker(t("条件 {n} 的数值字段|Number of condition {n}", { n }), sum.field, (field) => set({ field }), { event: given.event, numbers: true }) : null,
    measure === "any"
      ? null
      : [
          h("span", { class: "muted" }, t("至少|at least")),
          numberInput(t("条件 {n} 的最小值|Least of condition {n}", { n }), bounds.at_least, (at_least) => set({ at_least })),
          h("span", { class: "muted" }, t("至多|at most")),
          numberInput(t("条件 {n} 的最大值|Most of condition {n}", { n }), bounds.at_most, (at_most) => set({ at_most })),
        ],
    select(t("条件 {n} 的时间|Time of condition {n}", { n }), WITHIN.some(([v]) => v === last) ? WITHIN.map(([v, text]) => [v, t(text)]) : [...WITHIN.map(([v, text]) => [v, t(text)]), [last, t("过去 {n} 天|in the last {n} days", { n: last })]], last, (value) => onChange({ ...given, within: value ? { last: Number(value), unit: "day" } : undefined }), { hidden: true }),
  ];
}

function sequence(given, n, onChange) {
  const { steps } = given;
  const days = given.window?.value ?? 1;
  return [
    steps.map((step, j) => [
      j ? h("span", { class: "muted", "aria-hidden": "true" }, "→") : null,
      eventPicker(t("条件 {n} 的步骤 {m}|Step {m} of condition {n}", { n, m: j + 1 }), step.event, (event) => onChange({ ...given, steps: steps.map((s, k) => (k === j ? { event } : s)) })),
      steps.length > 2 ? iconButton("close", t("去掉步骤 {m}|Remove step {m}", { m: j + 1 }), () => onChange({ ...given, steps: steps.filter((_, k) => k !== j) })) : null,
    ]),
    steps.length < 8 ? iconButton("plus", t("条件 {n} 再加一步|One more step of condition {n}", { n }), () => onChange({ ...given, steps: [...steps, { event: "" }] })) : null,
    select(t("条件 {n} 的窗口|Window of condition {n}", { n }), [1, 3, 7, 14, 30, 90].map((d) => [d, t("{d} 天内|within {d} days", { d })]), days, (value) => onChange({ ...given, window: { value: Number(value), unit: "day" } }), { hidden: true }),
  ];
}

// --- In words ---------------------------------------------------------------------

/** A rule in words: nodes, as names of segments are filled in later. */
export function ruleWords(rule, nested = false) {
  if (!rule) return t("所有人|everyone");
  if (rule.rules) {
    const joint = rule.relation === "or" ? t(" 或 | or ") : t(" 且 | and ");
    const inner = rule.rules.flatMap((one, i) => [i ? joint : "", ruleWords(one, true)]);
    const shown = nested && rule.rules.length > 1 ? ["(", ...inner, ")"] : inner;
    return rule.not ? [t("不满足 |not "), "(", ...inner, ")"] : shown;
  }
  const kind = kindOf(rule);
  const name = t(KINDS.find(([v]) => v === kind)[1]);
  if (rule.did || rule.did_not) {
    const one = rule.did ?? rule.did_not;
    const part = [times(one.times, t("次| times")), times(one.days, t("天| days")), one.sum ? `${fieldFace(one.sum.field)} ${t("之和|in sum")} ${times(one.sum, "")}` : ""].filter(Boolean).join(" ");
    return `${one.within?.last ? `${t("过去 {n} 天|in the last {n} days", { n: one.within.last })} ` : one.within ? `${one.within.from}–${one.within.to} ` : ""}${rule.not ? t("并非|not ") : ""}${name} ${eventFace(one.event)}${part ? ` ${part}` : ""}${filterWords(one.filter)}`;
  }
  if (rule.sequence) return `${name} ${rule.sequence.steps.map((s) => eventFace(s.event ?? s.any_of?.[0]?.event)).join(" → ")}`;
  if (rule.property) return `${rule.not ? t("并非|not ") : ""}${name}${filterWords(rule.property)}`;
  return [`${name} `, segmentName(rule.segment)];
}

function times(bounds, unit) {
  if (!bounded(bounds)) return "";
  const { at_least: least, at_most: most } = bounds;
  if (least !== undefined && least !== null && most !== undefined && most !== null) return `${number(least, 2)}–${number(most, 2)}${unit}`;
  return least !== undefined && least !== null ? `≥ ${number(least, 2)}${unit}` : `≤ ${number(most, 2)}${unit}`;
}

function filterWords(filter) {
  if (!filter) return "";
  const walk = (node) => {
    if (node.conditions) return node.conditions.map(walk).join(node.relation === "or" ? t(" 或 | or ") : t("，|, "));
    return `${fieldFace(node.field)} ${opTitle(node.op)} ${(node.values ?? []).map(plain).join(" / ")}`;
  };
  return ` [${walk(filter)}]`;
}

