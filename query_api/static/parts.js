// What the builders and the answers of several pages share: events with conditions, breakdowns, comparisons, figures.

import { inWords, partName } from "./definitions.js";
import { filterBuilder, forApi } from "./filters.js";
import { h } from "./dom.js";
import { change, changeSize, plain, value } from "./format.js";
import { t } from "./i18n.js";
import { eventPicker, fieldPicker } from "./pickers.js";
import { wholeRange } from "./report.js";
import { check, select, usersLink } from "./widgets.js";

/** An event with its conditions as the API takes it. */
export function selector({ event, filter } = {}) {
  const asked = forApi(filter);
  return { ...(event ? { event } : {}), ...(asked ? { filter: asked } : {}) };
}

export const labelled = (label, control) => h("div", { class: "field" }, h("span", { class: "label" }, label), control);

/** Field of an event with its conditions. */
export function eventField(label, given, state, onChange, any = false) {
  return labelled(
    label,
    h(
      "div",
      { class: "step-line" },
      eventPicker(label, given.event ?? "", (event) => onChange({ event }), { any }),
      filterBuilder(`${label}: ${t("条件|conditions")}`, given.filter, (filter) => onChange({ ...given, filter }), { event: given.event, common: wholeRange(state), depth: 3 }),
    ),
  );
}

/** Large numbers in a row. list: [name, title, what is shown]. */
export function figures(list) {
  return h("div", { class: "summary" }, list.filter(Boolean).map(([name, title, shown]) => h("div", {}, h("span", { class: "label" }, title), h("span", { class: "value", dataset: { figure: name } }, shown))));
}

/** A number that may be entered; empty is undefined. */
export function numberInput(label, given, onChange, props = {}) {
  const input = h("input", {
    class: "input narrow",
    type: "number",
    step: "any",
    value: given ?? "",
    "aria-label": label,
    ...props,
    onChange: () => onChange(input.value === "" ? undefined : Number(input.value)),
  });
  return input;
}

// --- Breakdowns ---------------------------------------------------------------

/** Up to `most` fields to break down by. by: list of names. */
export function breakdownField(by, onChange, most = 3) {
  const list = by ?? [];
  return labelled(
    t("分组查看|Breakdown"),
    h(
      "div",
      { class: "row" },
      [...list, ""].slice(0, most).map((name, i) => fieldPicker(t("分组字段 {n}|Breakdown {n}", { n: i + 1 }), name, (chosen) => onChange(unique([...list.slice(0, i), chosen, ...list.slice(i + 1)])), { none: i ? t("＋ 再分组|+ and by") : t("不分组|None") })),
    ),
  );
}

const WHO = [
  ["user.first_source.scene_group", "首次来源|First source"],
  ["platform", "平台|Platform"],
  ["scene_group", "本次入口|Entry"],
  ["device.brand", "手机品牌|Phone brand"],
];

/** One click to see a number apart for whom: the usual fields. by: what it is broken down by now. */
export function forWhom(question, by, onChange) {
  const chosen = by?.length === 1 ? by[0] : "";
  return h(
    "div",
    { class: "row for-whom", role: "group", "aria-label": question },
    h("span", { class: "muted" }, question),
    WHO.map(([field, title]) => h("button", { type: "button", class: "button small", "aria-pressed": String(field === chosen), onClick: () => onChange(field === chosen ? undefined : [field]) }, t(title))),
  );
}

export function unique(list) {
  const kept = [...new Set(list.filter(Boolean))];
  return kept.length ? kept : undefined;
}

/** The breakdown part of a request. */
export const brokenDown = (by, limit = 10) => (by?.length ? { breakdown: by, breakdown_limit: limit } : {});

/** Name of a row of a breakdown; "" where nothing is broken down. */
export function rowName(row, by) {
  if (!by?.length) return "";
  return row.other ? t("其他|Other") : by.map((field) => value(field, row.breakdown?.[field], plain)).join(" / ");
}

/** A row of a breakdown in the address: its values as they are, in no language. */
export const rowKey = (row, by) => (row.other ? "other" : (by ?? []).map((field) => String(row.breakdown?.[field] ?? "")).join("/"));

/** The part of a cell that names a row of a breakdown. */
export function rowCell(row, by) {
  if (!by?.length) return {};
  return row.other ? { other: true } : { breakdown: row.breakdown };
}

// --- Comparisons --------------------------------------------------------------

/** The question whose users are those of the range before, where isBefore. */
export const ofRange = (body, isBefore) => (isBefore ? { ...body, compared: true } : body);

/** A number with what it was before, where that was asked. open(isBefore): their users. */
export function against(show, now, before, { open, good = true } = {}) {
  const shown = open ? usersLink(show(now), () => open(false)) : show(now);
  return before === undefined ? shown : [shown, delta(now, before, show, { good, open: open && (() => open(true)) })];
}

/** "▲ 12.3% before 1,234", or that there was nothing before. good: whether more is better. open(): the users before. */
export function delta(now, before, show, { good = true, title = t("前期|before"), none = t("前期无数据|nothing before"), open = null } = {}) {
  const ratio = change(now, before);
  if (ratio === null) return h("span", { class: "kpi-change delta" }, h("span", { class: "muted" }, none));
  const kind = ratio === 0 ? "" : ratio > 0 === good ? "up" : "down";
  return h("span", { class: `kpi-change delta ${kind}` }, `${ratio > 0 ? "▲" : ratio < 0 ? "▼" : "="} ${changeSize(ratio)}`, h("span", { class: "muted" }, ` ${title} `, open ? usersLink(show(before), open) : show(before)));
}

// --- What other products mean ---------------------------------------------------

export const PRESETS = [
  ["sensors", "神策|SensorsData"],
  ["ark", "易观方舟|Analysys Ark"],
  ["growingio", "GrowingIO|GrowingIO"],
  ["mixpanel", "Mixpanel|Mixpanel"],
  ["amplitude", "Amplitude|Amplitude"],
  ["posthog", "PostHog|PostHog"],
];
export const presetTitle = (name) => t(PRESETS.find(([preset]) => preset === name)?.[1] ?? name);

/** Whose documented meaning holds where nothing else is chosen. */
export function presetField(given, onChange) {
  return select(t("口径预设|Semantics of"), [["", t("本系统默认|this system")], ...PRESETS.map(([v, text]) => [v, t(text)])], given ?? "", (chosen) => onChange(chosen || undefined));
}

/** Which products' meanings are shown beside one's own. */
export function presetChecks(given, onChange) {
  const list = given ?? [];
  return labelled(
    t("与其他产品的口径对比|Beside the semantics of"),
    h("div", { class: "row" }, PRESETS.map(([name, text]) => check(t(text), list.includes(name), (on) => onChange(unique(on ? [...list, name] : list.filter((other) => other !== name)))))),
  );
}

/** The axes in which a preset differs, in words, with what it cannot express. */
export function differences({ differs, left_out: leftOut, not_expressed: notExpressed, source }) {
  const shown = (value) => (value !== null && typeof value === "object" ? Object.values(value).map((one) => inWords(String(one))).join(" ") : inWords(String(value)));
  const axis = (name) => partName(name) || name;
  return h(
    "details",
    { class: "definition" },
    h("summary", {}, differs.length ? differs.map((d) => `${axis(d.axis)}: ${shown(d.there)}`).join("; ") : t("口径相同|the same")),
    h(
      "dl",
      {},
      differs.map((d) => [h("dt", {}, axis(d.axis)), h("dd", {}, `${shown(d.here)} → ${shown(d.there)}`)]),
      leftOut?.length ? [h("dt", {}, axis("left_out")), h("dd", {}, leftOut.map(axis).join(", "))] : null,
      notExpressed?.length ? [h("dt", {}, axis("not_expressed")), h("dd", {}, h("ul", {}, notExpressed.map((text) => h("li", {}, inWords(text)))))] : null,
      [h("dt", {}, axis("source")), h("dd", {}, source)],
    ),
  );
}
