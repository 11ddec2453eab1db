// Numbers, rates, durations and days as people read them. Null is "–": not known, or nothing to divide by.

import { locale, t, valueTitle } from "./i18n.js";
import { groupTitle } from "./scene_names.js";

export const NONE = "–";

export function number(value, digits = 0) {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

/** Any value of a measure: integers whole, others with two digits. */
export function amount(value) {
  return value === null || value === undefined || Number.isInteger(value) ? number(value) : fixed(value);
}

/** An amount of money or a mean, always with two digits: so that a column lines up. */
export function fixed(value, digits = 2) {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** How a column of a measure's values is shown: whole numbers as such, all with two digits where one has a fraction. */
export const columnFormat = (values) => (values.every((one) => one === null || one === undefined || Number.isInteger(one)) ? number : fixed);

/** Short: 12.3万 or 123K. For axes. */
export function short(value) {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

export function rate(value, digits = 1) {
  if (value === null || value === undefined) return NONE;
  return new Intl.NumberFormat(locale(), {
    style: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** "+12.3%" against the value before; null where there is nothing to compare with. */
export function change(now, before) {
  if (now === null || now === undefined || !before) return null;
  return now / before - 1;
}

/** How much more or less, without a sign; beyond ten times as much only that: the share of next to nothing says nothing. */
export const changeSize = (ratio, digits = 1) => (ratio > 9.99 ? `>${rate(9.99, 0)}` : rate(Math.abs(ratio), digits));

const UNITS = [
  [86_400_000, "天| d"],
  [3_600_000, "小时| h"],
  [60_000, "分| min"],
  [1_000, "秒| s"],
];

/** A duration with its two largest units: "1 小时 5 分". */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms === 0) return `0 ${t("秒|s")}`;
  if (ms < 1000) return `${number(ms)} ${t("毫秒|ms")}`;
  const first = UNITS.findIndex(([size]) => ms >= size);
  const [size, name] = UNITS[first];
  const next = UNITS[first + 1];
  // Whole seconds are bounds that somebody chose; measured ones line up.
  if (!next) return `${ms % size ? fixed(ms / size, 1) : number(ms / size)} ${t(name).trim()}`;
  // Rounded to the smaller unit first: 119.9 s is 2 min, not 1 min 60 s.
  const rounded = Math.round(ms / next[0]) * next[0];
  if (first > 0 && rounded >= UNITS[first - 1][0]) return duration(UNITS[first - 1][0]);
  const rest = Math.round((rounded % size) / next[0]);
  const head = `${Math.floor(rounded / size)} ${t(name).trim()}`;
  return rest ? `${head} ${rest} ${t(next[1]).trim()}` : head;
}

/** The day a label of the API means: "2026-10-01" as "10-01 周四"; hours with their time. */
export function day(label, long = false) {
  const hour = label.match(/^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)/);
  if (hour) return long ? `${label.slice(0, 10)} ${hour[4]}` : `${hour[2]}-${hour[3]} ${hour[4]}`;
  if (!long) return label.slice(5);
  const weekday = new Intl.DateTimeFormat(locale(), { weekday: "short", timeZone: "UTC" }).format(new Date(`${label}T00:00:00Z`));
  return `${label} ${weekday}`;
}

/** An instant in a zone: "2026-10-01 13:05:09". */
export function instant(value, zone, seconds = true) {
  if (value === null || value === undefined) return NONE;
  return new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: seconds ? "medium" : "short",
  }).format(new Date(value));
}

const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A text that runs from right to left, or says so, held apart: what stands beside it keeps its direction. */
export const apart = (text) => (TURNS.test(text) ? `\u2068${text}\u2069` : text);

/** The value of a field in a breakdown. */
export const value = (field, given) => (/(^|\.)scene_group$/.test(field) && given ? groupTitle(given) : apart(valueTitle(field, given, plain)));

/** A value of a breakdown or property as text. */
export function plain(value) {
  if (value === null || value === undefined) return t("(无)|(none)");
  if (value === "") return t("(空)|(empty)");
  if (Array.isArray(value)) return value.map(plain).join("、");
  if (typeof value === "object") return JSON.stringify(value);
  return apart(String(value));
}
