// The filter builder: conditions and groups as the API takes them. A change calls back with the whole new filter.

import { h } from "./dom.js";
import { plain } from "./format.js";
import { platformTitle, t } from "./i18n.js";
import { fieldPicker, valuePicker } from "./pickers.js";
import { button, iconButton, select } from "./widgets.js";

const OPS = [
  ["eq", "等于|is"],
  ["ne", "不等于|is not"],
  ["contains", "包含|contains"],
  ["not_contains", "不包含|does not contain"],
  ["starts_with", "开头为|starts with"],
  ["matches", "匹配正则|matches (RE2)"],
  ["gt", "大于|>"],
  ["gte", "大于等于|≥"],
  ["lt", "小于|<"],
  ["lte", "小于等于|≤"],
  ["between", "介于|between"],
  ["exists", "有值|is set"],
  ["not_exists", "没有值|is not set"],
];
/** How a comparison is called. */
export const opTitle = (op) => t(OPS.find(([name]) => name === { in: "eq", not_in: "ne" }[op] || name === op)?.[1] ?? op);

const NO_VALUES = new Set(["exists", "not_exists"]);
const NUMBERS = new Set(["gt", "gte", "lt", "lte", "between"]);

/** Conditions of a filter: a lone condition counts as a group of one. */
function conditionsOf(filter) {
  if (!filter) return [];
  return filter.conditions ?? [filter];
}

function group(relation, conditions) {
  return conditions.length ? { relation, conditions } : undefined;
}

/** What of a filter can be asked: half-written conditions are left out. */
export function complete(filter) {
  if (!filter) return undefined;
  if (filter.conditions) {
    const conditions = filter.conditions.map(complete).filter(Boolean);
    return conditions.length ? { ...filter, conditions } : undefined;
  }
  if (!filter.field) return undefined;
  if (NO_VALUES.has(filter.op)) return { field: filter.field, op: filter.op };
  const wanted = filter.op === "between" ? 2 : 1;
  return (filter.values ?? []).filter((v) => v !== "").length >= wanted ? filter : undefined;
}

/** How many conditions a filter has. */
export function countConditions(filter) {
  if (!filter) return 0;
  return filter.conditions ? filter.conditions.reduce((n, c) => n + countConditions(c), 0) : 1;
}

/**
 * event: name whose properties are offered; common: apps and days in which values are looked for; persons: attributes of users only.
 */
export function filterBuilder(label, filter, onChange, { event = "", common, depth = 1, persons = false } = {}) {
  const relation = filter?.relation ?? "and";
  const conditions = conditionsOf(filter);
  const change = (next) => onChange(group(relation, next));
  const at = (i, value) => conditions.map((c, j) => (j === i ? value : c)).filter(Boolean);
  return h(
    "div",
    { class: "filter", role: "group", "aria-label": label },
    conditions.length > 1
      ? select(
          t("条件关系|Relation"),
          [
            ["and", t("满足全部|All of")],
            ["or", t("满足任一|Any of")],
          ],
          relation,
          (value) => onChange(group(value, conditions)),
          { hidden: true },
        )
      : null,
    conditions.map((condition, i) =>
      condition.conditions
        ? h(
            "div",
            { class: "filter-group" },
            filterBuilder(t("条件组|Group"), condition, (value) => change(at(i, value)), { event, common, depth: depth + 1, persons }),
          )
        : conditionRow(condition, (value) => change(at(i, value)), event, common, persons),
    ),
    h(
      "div",
      { class: "filter-actions" },
      button(t("添加条件|Add a condition"), () => change([...conditions, { field: "", op: "eq", values: [] }]), { class: "button ghost small", icon: "plus" }),
      depth < 3 && conditions.length
        ? button(t("添加条件组|Add a group"), () => change([...conditions, { relation: relation === "and" ? "or" : "and", conditions: [{ field: "", op: "eq", values: [] }] }]), {
            class: "button ghost small",
          })
        : null,
    ),
  );
}

function conditionRow(condition, onChange, event, common, persons) {
  const { field, op, values = [] } = condition;
  const set = (part) => onChange({ ...condition, ...part });
  return h(
    "div",
    { class: "condition" },
    fieldPicker(t("字段|Field"), field, (value) => set({ field: value, values: [] }), { event, persons }),
    select(
      t("比较|Comparison"),
      OPS.map(([value, text]) => [value, t(text)]),
      op,
      (value) => set({ op: value, values: NUMBERS.has(value) !== NUMBERS.has(op) ? [] : values }),
      { hidden: true },
    ),
    NO_VALUES.has(op) || !field
      ? null
      : NUMBERS.has(op)
        ? (op === "between" ? [0, 1] : [0]).map((i) => {
            const input = h("input", {
              class: "input narrow",
              type: "number",
              step: "any",
              value: values[i] ?? "",
              "aria-label": i ? t("最大值|Most") : t("值|Value"),
              onChange: () => {
                const next = [...values];
                next[i] = input.value === "" ? "" : Number(input.value);
                set({ values: next });
              },
            });
            return input;
          })
        : [
            values.map((value, i) =>
              h(
                "span",
                { class: "token" },
                field === "platform" ? platformTitle(value) : plain(value),
                iconButton("close", t("去掉 {v}|Remove {v}", { v: plain(value) }), () => set({ values: values.filter((_, j) => j !== i) }), { class: "token-remove" }),
              ),
            ),
            valuePicker(t("值|Value"), values.length ? t("＋ 值|+ value") : t("选择值|Choose a value"), field, event, common, (value) => {
              // An operator such as "contains" takes texts only.
              const given = op === "eq" || op === "ne" ? value : String(value);
              if (!values.includes(given)) set({ values: [...values, given], op: op });
            }),
          ],
    iconButton("close", t("删除条件|Remove the condition"), () => onChange(undefined)),
  );
}

/** "eq" of several values is asked as "in". */
export function forApi(filter) {
  const whole = complete(filter);
  if (!whole) return undefined;
  const walk = (node) => {
    if (node.conditions) return { ...node, conditions: node.conditions.map(walk) };
    if (node.values?.length > 1 && node.op === "eq") return { ...node, op: "in" };
    if (node.values?.length > 1 && node.op === "ne") return { ...node, op: "not_in" };
    return node;
  };
  return walk(whole);
}
