// What the builders and the answers of several pages share: events with conditions, breakdowns, comparisons, figures.

import { filterBuilder, forApi } from "./filters.js";
import { h } from "./dom.js";
import { change, plain, rate, value } from "./format.js";
import { t } from "./i18n.js";
import { eventPicker, fieldPicker } from "./pickers.js";
import { wholeRange } from "./report.js";
import { select } from "./widgets.js";

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

/** The part of a cell that names a row of a breakdown. */
export function rowCell(row, by) {
  if (!by?.length) return {};
  return row.other ? { other: true } : { breakdown: row.breakdown };
}

// --- Comparisons --------------------------------------------------------------

export function compareField(given, onChange) {
  return select(
    t("对比|Compare"),
    [
      ["", t("不对比|nothing")],
      ["previous_period", t("前一时期|period before")],
      ["previous_year", t("去年同期|year before")],
    ],
    given ?? "",
    (chosen) => onChange(chosen || undefined),
  );
}

/** "▲ 12.3% before 1,234", or that there was nothing before. good: whether more is better. */
export function delta(now, before, show, { good = true, title = t("前期|before"), none = t("前期无数据|nothing before") } = {}) {
  const ratio = change(now, before);
  if (ratio === null) return h("span", { class: "kpi-change" }, h("span", { class: "muted" }, none));
  const kind = ratio === 0 ? "" : ratio > 0 === good ? "up" : "down";
  return h("span", { class: `kpi-change ${kind}` }, `${ratio >= 0 ? "▲" : "▼"} ${rate(Math.abs(ratio))}`, h("span", { class: "muted" }, ` ${title} ${show(before)}`));
}
