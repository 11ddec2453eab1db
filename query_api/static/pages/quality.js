// Data quality: what was refused and why, how late events come, whose clocks are wrong, which ids conflict.

import { get, postText } from "../api.js";
import { definition } from "../definition.js";
import { h, put } from "../dom.js";
import { eventFault } from "../errors.js";
import { duration, instant, number, rate } from "../format.js";
import { appName, idKindTitle, t } from "../i18n.js";
import { namesOf } from "../names.js";
import { errorNotice, section as asked, sectionTools } from "../report.js";
import { addDays, today, zone } from "../state.js";
import { button, check, dialog, field, notice, segmented, table, toast, usersLink } from "../widgets.js";

const exists = (field) => ({ field, op: "exists" });
const absent = (field) => ({ field, op: "not_exists" });
const arrivedSince = (instant_) => ({ field: "received_at", op: "gte", values: [Date.parse(instant_)] });

/** Which events each count of the arrivals is of. Copies are in no report. */
const ARRIVED = {
  events: [],
  clock_shifted: [{ field: "clock", op: "eq", values: ["shifted"] }],
  clock_future: [{ field: "clock", op: "eq", values: ["future"] }],
  entries_without_scene: [{ field: "event", op: "in", values: ["app_launch", "app_show"] }, absent("scene")],
  with_user_id: [exists("user_id")],
  with_openid: [absent("user_id"), { relation: "or", conditions: [exists("unionid"), exists("openid")] }],
  anonymous_only: [absent("user_id"), absent("unionid"), absent("openid")],
};

/** Open the users who sent some events, whenever these happened. event: their name; conditions: what else they have. */
function openSenders(users, apps, title, { event, conditions = [] }) {
  const body = {
    ...(apps.length ? { app_ids: apps } : {}),
    time_range: { from: "2015-01-01", to: addDays(today(), 1) },
    timezone: zone(),
    interval: null,
    measures: [{ ...(event ? { event } : {}), aggregate: "users" }],
    ...(conditions.length ? { filter: { relation: "and", conditions } } : {}),
  };
  users("events", body, {}, title);
}

export default function quality({ state, set, session, main, users }) {
  const days = state.days ?? 7;
  const place = h("div", { class: "page-stack" }, h("div", { class: "loading" }, h("div", { class: "progress", role: "progressbar", "aria-label": t("正在查询|Querying") })));
  const controller = new AbortController();
  main.addEventListener("leave", () => controller.abort(), { once: true });
  const nameOf = new Map(session.apps.map((app) => [app.app_id, appName(app)]));
  const query = new URLSearchParams([["days", String(days)], ...(state.apps ?? []).map((id) => ["app_id", id])]);
  const address = `/console/quality?${query}`;
  async function ask() {
    try {
      const answer = await get(address, controller.signal);
      put(place, view(answer, { nameOf, set, users, address, again: ask }));
    } catch (error) {
      if (error.name !== "AbortError") put(place, errorNotice(error, ask));
    }
  }
  ask();
  return h(
    "div",
    { class: "page-stack" },
    h(
      "div",
      { class: "row" },
      segmented(
        t("最近多少天到达的|Arrived within"),
        [1, 7, 30, 90].map((n) => [n, t("{n} 天|{n} d", { n })]),
        days,
        (value) => set({ days: value }),
      ),
      h("span", { class: "muted" }, t("按到达时间|by arrival")),
    ),
    place,
    deadLetters({ state, set, nameOf, days }),
    newNames(days, state.apps ?? [], users),
  );
}

// --- Names and types that nobody may have planned ---------------------------------------

function newNames(days, apps, users) {
  const query = new URLSearchParams(apps.map((id) => ["app_id", id]));
  return asked({
    title: t("新出现的名称与不一致的类型|New names and types that differ"),
    name: "new-names",
    address: `/v1/events/schema?${query}`,
    render: ({ result, semantics }) => {
      const since = Date.now() - days * 86_400_000;
      // Properties are known of the last days only: what is as old as that is not new.
      const known = Date.parse(semantics.properties_since) + 86_400_000;
      const rows = result.events.flatMap((e) => [
        ...(Date.parse(e.first_seen) >= since ? [{ what: "event", event: e.event, name: "", first: e.first_seen, events: e.events, types: [] }] : []),
        ...e.properties.flatMap((p) => {
          const first = p.types.map((type) => type.first_seen).sort()[0];
          const types = p.types.map((type) => `${type.type} ${number(type.events)}`);
          const isNew = Date.parse(e.first_seen) < since && Date.parse(first) >= Math.max(since, known);
          return isNew || types.length > 1 ? [{ what: types.length > 1 ? "types" : "property", event: e.event, name: p.property, first, events: p.types.reduce((sum, type) => sum + type.events, 0), types }] : [];
        }),
      ]);
      const senders = (r) => openSenders(users, apps, [r.event, r.name].filter(Boolean).join(" · "), { event: r.event, conditions: r.name ? [exists(`properties.${r.name}`)] : [] });
      const titles = { event: t("新事件|new event"), property: t("新属性|new property"), types: t("类型不一致|types differ") };
      if (!rows.length) return notice("empty", t("没有新名称，类型也一致|No new names, and types agree"));
      return table(
        t("新出现的名称与不一致的类型|New names and types that differ"),
        [
          { name: "what", title: t("情况|What"), cell: (r) => h("span", { class: `badge ${r.what === "types" ? "warn" : ""}` }, titles[r.what]), value: (r) => r.what },
          { name: "event", title: t("事件|Event"), cell: (r) => h("span", { class: "clip", title: r.event }, r.event), value: (r) => r.event },
          { name: "name", title: t("属性|Property"), cell: (r) => h("span", { class: "clip", title: r.name }, r.name), value: (r) => r.name },
          { name: "types", title: t("类型与次数|Types and events"), cell: (r) => r.types.join(", ") },
          { name: "events", title: t("事件数|Events"), number: true, cell: (r) => usersLink(number(r.events), () => senders(r)), value: (r) => r.events },
          { name: "first", title: t("首次出现|First seen"), cell: (r) => instant(r.first, zone(), false), value: (r) => r.first },
        ],
        rows,
        { limit: 50, sorted: { name: "first", down: true } },
      );
    },
  });
}

// --- Sending refused events again ----------------------------------------------------

/** Write keys given in this tab, by app: never kept anywhere else. */
const keys = new Map();
const LISTED = 50;
const MOST_LISTED = 1_000;

function deadLetters({ state, set, nameOf, days }) {
  const query = new URLSearchParams([
    ["since", new Date(Math.floor(Date.now() / 60_000) * 60_000 - days * 86_400_000).toISOString()],
    ["limit", String(LISTED)],
    ...(state.code ? [["code", state.code]] : []),
    ...(state.redriven ? [["redriven", "true"]] : []),
    ...(state.apps ?? []).map((id) => ["app_id", id]),
  ]);
  const card = asked({
    title: t("修复与重投|Repair and send again"),
    name: "dead-letters",
    address: `/v1/dead-letters?${query}`,
    actions: [
      state.code ? button(t("原因：{code}，看全部|Reason: {code}, show all", { code: state.code }), () => set({ code: undefined }), { class: "button ghost small" }) : null,
      check(t("包括已重投的|With those sent again"), state.redriven === true, (on) => set({ redriven: on || undefined })),
    ].filter(Boolean),
    render: (answer) => {
      const rows = answer.result.dead_letters;
      if (!rows.length) return notice("empty", t("没有待修复的事件|Nothing to repair"));
      return lettersTable(rows, answer.meta.truncated, { nameOf, set, again: card.reload, name: "letters" });
    },
  });
  return card;
}

/** Refused events, each with what can be done. again(): after one was sent. name: the table's in the address. */
function lettersTable(rows, isCut, { nameOf, set, again, name }) {
  return [
    table(
      t("待修复的事件|Refused events to repair"),
      [
        { name: "at", title: t("到达|Arrived"), cell: (r) => h("span", { class: "day" }, instant(r.received_at, zone())), value: (r) => r.received_at },
        { name: "code", title: t("原因|Reason"), cell: (r) => [h("button", { type: "button", class: "users-link", onClick: () => set({ code: r.code }) }, r.code), fault(r.code)], value: (r) => r.code },
        { name: "path", title: t("字段|Field"), cell: (r) => h("code", { class: "clip" }, r.path), value: (r) => r.path },
        { name: "app", title: t("应用|App"), cell: (r) => h("span", { class: "day" }, nameOf.get(r.app_id) ?? r.app_id), value: (r) => r.app_id },
        { name: "message", title: t("说明|Message"), cell: (r) => h("span", { class: "clip", title: r.message }, r.message) },
        { name: "act", title: t("操作|Action"), cell: (r) => (r.redriven_at ? h("span", { class: "badge good" }, t("已重投|sent again")) : button(t("修复|Repair"), () => repair(r, nameOf, again), { class: "button small", "aria-label": t("修复 {id}|Repair {id}", { id: r.id }) })) },
      ],
      rows,
      { name },
    ),
    isCut ? h("p", { class: "legend" }, t("只列最近 {n} 条；成批重投请用 scenetrail dead-letters。|The latest {n}; for many at once use scenetrail dead-letters.", { n: rows.length })) : null,
  ];
}

/** Open the refused events behind a number: who sent them is not known. redriven: "only" those sent again, or "true". */
async function openRefused(row, title, { since, redriven, nameOf, set }) {
  const place = h("div", { class: "page-stack" }, h("p", { class: "muted" }, t("正在读取…|Loading…")));
  const box = dialog(title, h("p", { class: "muted" }, t("被拒绝的事件没有算到任何用户，这里列出事件本身。|A refused event counts for no user: these are the events themselves.")), place);
  box.classList.add("wide-dialog");
  const leave = (part) => {
    box.close();
    set(part);
  };
  const query = new URLSearchParams({ app_id: row.app_id, code: row.code, field: row.field, since, redriven, limit: String(MOST_LISTED) });
  async function show() {
    try {
      const { result, meta } = await get(`/v1/dead-letters?${query}`);
      put(place, lettersTable(result.dead_letters, meta.truncated, { nameOf, set: leave, again: show, name: "refused" }));
    } catch (error) {
      put(place, errorNotice(error, show));
    }
  }
  await show();
}

/** Open the pairs of ids behind a number of conflicts: each leads to its person. */
function openConflicts(row) {
  const names = namesOf(row.pairs.flat(), { timezone: zone() });
  const person = (user) => names.link(user, { onClick: () => box.close() });
  const box = dialog(
    `${t("身份冲突|Identity conflicts")} · ${idKindTitle(row.reason)}`,
    row.conflicts > row.pairs.length ? h("p", { class: "muted" }, t("只列 {n} 对。|{n} of the pairs.", { n: row.pairs.length })) : null,
    h("ul", { class: "users-list" }, row.pairs.map(([a, b]) => h("li", {}, person(a), " · ", person(b)))),
  );
}

/** Indented, where it is JSON. Numbers that a browser would round stay as they came. */
function pretty(raw) {
  try {
    return /\d{16}/.test(raw) ? raw : JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}

async function repair(row, nameOf, again) {
  const address = `/v1/dead-letters/${row.id.split("/").map(encodeURIComponent).join("/")}`;
  const place = h("div", { class: "page-stack" }, h("p", { class: "muted" }, t("正在读取…|Loading…")));
  const box = dialog(t("修复并重投|Repair and send again"), place);
  box.classList.add("wide-dialog");
  try {
    const { dead_letter: letter } = (await get(address)).result;
    put(place, repairForm(letter, address, nameOf, again, box));
  } catch (error) {
    put(place, errorNotice(error));
  }
}

function repairForm(letter, address, nameOf, again, box) {
  const before = pretty(letter.raw);
  const text = h("textarea", { class: "input code", rows: 14, spellcheck: "false" });
  text.value = before;
  const key = h("input", { class: "input", type: "password", autocomplete: "off", spellcheck: "false", placeholder: "wk_…", required: true, value: keys.get(letter.app_id) ?? "" });
  const refusal = h("div", { "aria-live": "polite" });
  return h(
    "form",
    {
      class: "form",
      onSubmit: async (event) => {
        event.preventDefault();
        put(refusal);
        let body = "{}";
        if (text.value !== before) {
          try {
            JSON.parse(text.value);
          } catch (error) {
            put(refusal, notice("error", t("不是 JSON|Not JSON"), error.message));
            return;
          }
          body = `{"event": ${text.value}}`;
        }
        try {
          const { result } = await postText(`${address}/redrive`, body, { "X-Write-Key": key.value.trim() });
          if (result.taken) {
            keys.set(letter.app_id, key.value.trim());
            box.close();
            toast(t("已重投|Sent again"));
            await again();
          } else put(refusal, notice("error", `${t("仍被拒绝|Refused again")}: ${result.error}`, `${result.path ? `${result.path}: ` : ""}${result.message}`));
        } catch (error) {
          put(refusal, errorNotice(error));
        }
      },
    },
    h("p", {}, h("span", { class: "badge bad" }, letter.code), fault(letter.code), " ", h("code", {}, letter.path), " ", letter.message),
    field(letter.envelope ? t("事件（改好后重投；不改则原样发送）|The event: mend it, or send it as it was") : t("整个请求（改好后重投；不改则原样发送）|The whole request: mend it, or send it as it was"), text),
    field(t("{app} 的写入密钥（只用于这次发送，不会保存）|Write key of {app}: used to send, kept nowhere", { app: nameOf.get(letter.app_id) ?? letter.app_id }), key),
    refusal,
    h("button", { type: "submit", class: "button primary" }, t("重新发送|Send again")),
  );
}

function view(answer, { nameOf, set, users, address, again }) {
  const section = (title, ...content) => {
    const tools = h("div", { class: "panel-actions" });
    const card = h("section", { class: "panel", "aria-label": title }, h("div", { class: "panel-head" }, h("h2", {}, title), tools), ...content);
    put(tools, sectionTools({ name: "quality", address, card, again }));
    return card;
  };
  const { refused, arrived, identity_conflicts: conflicts } = answer.result;
  const { received_since: since } = answer.semantics;
  const app = (r) => nameOf.get(r.app_id) ?? r.app_id;
  const share = (part, whole) => (whole ? part / whole : null);
  const senders = (r, name, title) => openSenders(users, [r.app_id], `${app(r)} · ${title}`, { conditions: [arrivedSince(since), ...ARRIVED[name]] });
  const shown = (r, name) => (r[name] ? rate(share(r[name], r.events), 2) : "0");
  const count = (name, title) => ({ name, title, number: true, value: (r) => r[name], cell: (r) => h("span", { title: number(r[name]) }, ARRIVED[name] ? usersLink(shown(r, name), () => senders(r, name, title)) : shown(r, name)) });
  const letters = (name, title, redriven) => ({ name, title, number: true, value: (r) => r[name], cell: (r) => usersLink(number(r[name]), () => openRefused(r, `${title} · ${r.code} ${r.field}`, { since, redriven, nameOf, set })) });
  return [
    section(
      t("被拒绝的事件|Refused events"),
      refused.length
        ? table(
            t("被拒绝的事件|Refused events"),
            [
              { name: "code", title: t("原因|Reason"), cell: (r) => [h("span", { class: "badge bad" }, r.code), fault(r.code)], value: (r) => r.code },
              { name: "field", title: t("字段|Field"), cell: (r) => h("code", {}, r.field), value: (r) => r.field },
              { name: "app", title: t("应用|App"), cell: (r) => h("span", { class: "day" }, app(r)), value: app },
              letters("events", t("事件|Events"), "true"),
              letters("redriven", t("已重投|Redriven"), "only"),
              { name: "last", title: t("最近|Latest"), cell: (r) => h("span", { class: "day" }, instant(r.last_ms, zone())), value: (r) => r.last_ms },
              { name: "message", title: t("说明|Message"), cell: (r) => h("button", { type: "button", class: "users-link clip", onClick: () => example(r) }, r.message), value: (r) => r.message },
            ],
            refused,
          )
        : notice("empty", t("没有被拒绝的事件|Nothing was refused")),
      h("p", { class: "legend" }, t("逐条修复与重投见页面下方。|They can be mended and sent again below.")),
    ),
    section(
      t("到达情况|Arrivals"),
      arrived.length
        ? table(
            t("到达情况|Arrivals"),
            [
              { name: "app", title: t("应用|App"), cell: app, value: app },
              { name: "events", title: t("事件|Events"), number: true, cell: (r) => usersLink(number(r.events), () => senders(r, "events", t("用户|Users"))), value: (r) => r.events },
              { name: "newest", title: t("最新到达|Newest"), cell: (r) => h("span", { class: "day" }, instant(r.newest_ms, zone())), value: (r) => r.newest_ms },
              { name: "p50", title: t("延迟中位数|Median lag"), number: true, cell: (r) => duration(r.lag_ms[0]), value: (r) => r.lag_ms[0] },
              { name: "p90", title: "p90", number: true, cell: (r) => duration(r.lag_ms[1]), value: (r) => r.lag_ms[1] },
              { name: "p99", title: "p99", number: true, cell: (r) => duration(r.lag_ms[2]), value: (r) => r.lag_ms[2] },
              count("clock_shifted", t("时钟已校正|Clock shifted")),
              count("clock_future", t("未来时间|Future clock")),
              count("copies", t("重复|Copies")),
              count("entries_without_scene", t("缺场景值|No scene")),
            ],
            arrived,
            { name: "arrived" },
          )
        : notice("empty", t("这段时间没有事件到达|Nothing arrived")),
      h("p", { class: "legend" }, t("延迟是到达与发生之间的时间，没有名单；重复的事件不计入任何报表，合并后消失，也没有名单。其余数字打开这些事件的用户。|Lag is a time: nobody stands behind it; nor behind copies, which count in no report and are merged away. The other numbers open the users of these events.")),
    ),
    section(
      t("身份|Identity"),
      arrived.length
        ? table(
            t("身份|Identity"),
            [
              { name: "app", title: t("应用|App"), cell: app, value: app },
              count("with_user_id", t("有登录编号|With user id")),
              count("with_openid", t("只有 openid / unionid|openid or unionid only")),
              count("anonymous_only", t("仅匿名|Anonymous only")),
            ],
            arrived,
            { name: "identity" },
          )
        : null,
      conflicts.length
        ? table(
            t("身份冲突|Identity conflicts"),
            [
              { name: "reason", title: t("冲突的编号|Conflicting id"), cell: (r) => idKindTitle(r.reason), value: (r) => r.reason },
              { name: "conflicts", title: t("冲突|Conflicts"), number: true, cell: (r) => usersLink(number(r.conflicts), () => openConflicts(r)), value: (r) => r.conflicts },
              { name: "last", title: t("最近|Latest"), cell: (r) => h("span", { class: "day" }, instant(r.last_ms, zone())), value: (r) => r.last_ms },
            ],
            conflicts,
          )
        : h("p", { class: "legend" }, t("没有身份冲突|No identity conflicts")),
    ),
    h("div", { class: "panel" }, definition("quality", answer.semantics)),
  ];
}

/** What a code means, beside it. */
const fault = (code) => (eventFault(code) ? h("span", { class: "muted small" }, ` ${eventFault(code)}`) : null);

function example(row) {
  dialog(`${row.code} ${row.field}`, eventFault(row.code) ? h("p", {}, eventFault(row.code)) : null, h("p", { class: "muted" }, row.message), h("p", { class: "muted" }, t("最近一条的原文（前 2000 字）|The latest as received (first 2000 characters)")), h("pre", { class: "raw" }, row.raw));
}
