// The address of a view: "#/funnel?tz=Asia/Tokyo&range=30d&steps=[…]". Texts stand as they are, everything else as JSON.
// It holds all of a view but language and theme: whoever opens it sees the same.

let read = { hash: null };

/** Read the address: the page's id and its state. Nobody may change what is returned. */
export function readAddress() {
  const { hash } = location;
  if (read.hash !== hash) read = { hash, ...parseAddress(hash) };
  return read;
}

function parseAddress(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { page: path || "overview", state: parseState(query) };
}

/** Write a changed part of the state into the address. isStep: "back" undoes it. */
export function writeAddress(part, { isStep = false } = {}) {
  const { page, state } = readAddress();
  const next = addressOf(page, { ...state, ...part });
  if (isStep) history.pushState({ step: Object.keys(part) }, "", next);
  else history.replaceState(null, "", next);
}

/** Whether "back" takes this part of the state out of the address. */
export const isOfLastStep = (key) => Boolean(history.state?.step?.includes(key));

/** Whether two addresses of the console are the same but for one part of the state. */
export function areSameBut(key, one, other) {
  const [first, second] = [one, other].map((address) => {
    const { page, state } = parseAddress(new URL(address).hash);
    return addressOf(page, { ...state, tz: state.tz ?? DEFAULT_ZONE, [key]: undefined }); // not the zone of the view that is shown now
  });
  return first === second;
}

export function parseState(query) {
  const state = {};
  for (const [key, text] of new URLSearchParams(query)) {
    if (text.startsWith("~")) {
      try {
        state[key] = JSON.parse(text.slice(1));
      } catch {
        continue; // A broken address: the field's default holds.
      }
    } else state[key] = text;
  }
  return state;
}

export function writeState(state) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (value === undefined || value === null || value === "") continue;
    query.set(key, typeof value === "string" && !value.startsWith("~") ? value : `~${JSON.stringify(value)}`);
  }
  return query.toString();
}

/** The address of a page; it keeps the zone of the view that leads there, unless the state names one. */
export function addressOf(page, { tz = zone(), ...state } = {}) {
  const query = writeState({ tz: tz === DEFAULT_ZONE ? undefined : tz, ...state });
  return `#/${page}${query ? `?${query}` : ""}`;
}

/** What all pages share, carried from one to the next. */
export const SHARED = ["apps", "range", "filter", "segment", "as_of", "partial"];

export function shared(state) {
  return Object.fromEntries(SHARED.filter((key) => key in state).map((key) => [key, state[key]]));
}

// --- Views of which only a part is shown -------------------------------------

/** The view that is being made: `state` as its address has it, `change(part, …)` as writeAddress. The page's own, but for the charts of a board. */
let made = {
  get state() {
    return readAddress().state;
  },
  change: writeAddress,
};
export const view = () => made;

/** Make something as a part of a view: what is asked for later (an answer, a chart) has to remember its view. */
export function inView(one, make) {
  const before = made;
  made = one;
  try {
    return make();
  } finally {
    made = before;
  }
}

/** Change one entry of a part of the state that is an object, as "sort" by table; undefined takes the entry out. */
export function changeEntry(one, key, name, value, options) {
  const { [name]: _, ...others } = one.state[key] ?? {};
  const next = value === undefined ? others : { ...others, [name]: value };
  one.change({ [key]: Object.keys(next).length ? next : undefined }, options);
}

// --- Days -----------------------------------------------------------------

export const DEFAULT_ZONE = "Asia/Shanghai";
const KEPT_ZONE = "scenetrail.timezone";

/** The zone of one's own: of a console that is opened without a view. A view's own stands in its address. */
export const ownZone = () => known(localStorage.getItem(KEPT_ZONE)) ?? DEFAULT_ZONE;
export const keepZone = (name) => localStorage.setItem(KEPT_ZONE, name);

/** The zone in which the days of a view are counted. */
export const zone = () => known(view().state.tz) ?? DEFAULT_ZONE;

const zones = new Map();

/** The zone, or null where the browser knows none of that name. */
function known(name) {
  if (!zones.has(name)) {
    try {
      zones.set(name, name ? new Intl.DateTimeFormat("en", { timeZone: name }) && name : null);
    } catch {
      zones.set(name, null); // A broken address: the default holds.
    }
  }
  return zones.get(name);
}

/** Today in the zone as "2026-10-31". */
export function today() {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone(), dateStyle: "short" }).format(new Date());
}

export function addDays(day, count) {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + count);
  return at.toISOString().slice(0, 10);
}

export const RANGES = [
  ["today", "今天|Today"],
  ["yesterday", "昨天|Yesterday"],
  ["7d", "过去 7 天|Past 7 days"],
  ["14d", "过去 14 天|Past 14 days"],
  ["30d", "过去 30 天|Past 30 days"],
  ["90d", "过去 90 天|Past 90 days"],
  ["this_week", "本周|This week"],
  ["last_week", "上周|Last week"],
  ["this_month", "本月|This month"],
  ["last_month", "上月|Last month"],
];
export const DEFAULT_RANGE = "30d";

/** Turn a range's name, or "from..to", into two days, both included. "past" days end yesterday. */
export function days(range = DEFAULT_RANGE) {
  const now = today();
  const weekday = (new Date(`${now}T00:00:00Z`).getUTCDay() + 6) % 7;
  const firstOfMonth = `${now.slice(0, 8)}01`;
  const past = /^(\d{1,3})d$/.exec(range);
  if (past) return { from: addDays(now, -Number(past[1])), to: addDays(now, -1) };
  const given = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/.exec(range);
  if (given) return given[1] <= given[2] ? { from: given[1], to: given[2] } : { from: given[2], to: given[1] };
  switch (range) {
    case "today":
      return { from: now, to: now };
    case "yesterday":
      return { from: addDays(now, -1), to: addDays(now, -1) };
    case "this_week":
      return { from: addDays(now, -weekday), to: now };
    case "last_week":
      return { from: addDays(now, -weekday - 7), to: addDays(now, -weekday - 1) };
    case "this_month":
      return { from: firstOfMonth, to: now };
    case "last_month": {
      const last = addDays(firstOfMonth, -1);
      return { from: `${last.slice(0, 8)}01`, to: last };
    }
    default:
      return days(DEFAULT_RANGE);
  }
}

/** When a day begins in a zone, epoch ms. Where clocks change at midnight: the first instant of that day. */
export function startOfDay(day, inZone = zone()) {
  const wanted = Date.parse(`${day}T00:00:00Z`);
  const shown = new Intl.DateTimeFormat("sv-SE", { timeZone: inZone, dateStyle: "short", timeStyle: "medium" });
  const offset = (at) => Date.parse(`${shown.format(at).replace(" ", "T")}Z`) - at;
  const first = wanted - offset(wanted);
  return wanted - offset(first);
}

/** When the period of a label of the API begins, epoch ms: of a day in the zone, or of an hour that says its own. */
export const startOf = (label) => (label.includes("T") ? Date.parse(label) : startOfDay(label));

export function countDays({ from, to }) {
  return Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000) + 1;
}
