// The definition of an answer as the operator reads it: every resolved choice by name, defaults included.

import { inWords, partName } from "./definitions.js";
import { h, put } from "./dom.js";
import { plain } from "./format.js";
import { ownHalf, t } from "./i18n.js";
import { eventFace, fieldFace } from "./pickers.js";
import { fold } from "./widgets.js";

/** What people wrote or named themselves: shown as it stands. */
const AS_IT_STANDS = new Set(["app_ids", "app_id", "campaigns", "key", "name", "root", "sql", "trail", "values"]);

/** A definition, folded away; what is in it is made when it is opened. name: of what it defines. */
export function definition(name, semantics) {
  const place = h("div");
  return fold(`definition/${name}`, t("口径定义|Definition"), place, { class: "definition", opened: () => put(place, parts(semantics)) });
}

const isGiven = (value) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);

function parts(semantics) {
  return h(
    "dl",
    {},
    Object.entries(semantics)
      .filter(([, value]) => isGiven(value))
      .map(([key, value]) => [h("dt", {}, partName(key) ? [partName(key), " ", h("code", {}, key)] : key), h("dd", {}, shown(value, key))]),
  );
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function shown(value, key) {
  if (Array.isArray(value)) return value.some(isObject) ? h("ul", {}, value.map((one) => h("li", {}, shown(one, key)))) : value.map((one) => shown(one, key)).join(t("、|, "));
  if (isObject(value)) return isLength(value) ? `${value.value} ${inWords(value.unit)}` : within(value);
  if (typeof value === "boolean") return value ? t("是|yes") : t("否|no");
  if (typeof value !== "string" || AS_IT_STANDS.has(key)) return plain(value);
  if (key === "title") return ownHalf(value);
  if (key === "event") return eventFace(value);
  return key === "field" || key === "breakdown" || key === "hold_constant" ? fieldFace(value) : inWords(value);
}

/** {"value": 7, "unit": "day"} and nothing else. */
const isLength = (value) => Object.keys(value).sort().join() === "unit,value";

/** A part of a part: "order paid; days: { at least: 2 }". */
function within(value) {
  const given = Object.entries(value).filter(([key, one]) => isGiven(one) && one !== false && !(key === "margin" && one === 1));
  if (!given.length) return t("任意|any");
  return given.map(([key, one], i) => [i ? t("；|; ") : "", key === "event" ? "" : `${partName(key) || key}${t("：|: ")}`, isObject(one) && !isLength(one) ? ["{ ", within(one), " }"] : shown(one, key)]);
}
