// Choosing from what was seen: events, properties, values, apps, days. Search is by name, Chinese title, pinyin or its initials.

import { schema, valuesOf } from "./api.js";
import { h, icon, put, uid } from "./dom.js";
import { errorLine } from "./errors.js";
import { number, value as faceOf } from "./format.js";
import { appName, eventTitle, pinyin, platformTitle, t } from "./i18n.js";
import { DEFAULT_RANGE, DEFAULT_ZONE, RANGES, addDays, addressOf, days, today, zone } from "./state.js";
import { button, check, field, popover } from "./widgets.js";

const SHOWN = 100;

/**
 * A button that opens a searchable list.
 *
 * items(): [{value, title, hint, group}], or a promise of them. face: the text on the button.
 */
export function combobox(label, face, items, onChoose, { free = false, class: name = "button combo" } = {}) {
  return popover(
    h("span", { class: "combo-face" }, face),
    label,
    (close) => {
      const listId = uid("list");
      const input = h("input", {
        class: "input",
        type: "search",
        autofocus: true,
        role: "combobox",
        "aria-expanded": "true",
        "aria-controls": listId,
        "aria-label": t("搜索：{what}|Search: {what}", { what: label }),
        placeholder: t("搜索名称、中文或拼音|Search by name"),
        autocomplete: "off",
        spellcheck: "false",
      });
      const list = h("ul", { class: "options", role: "listbox", id: listId, "aria-label": label });
      let shown = [];
      let active = 0;
      let known = null;
      let isChosenEarly = false; // Enter was pressed while the list was being read

      function choose(item) {
        close();
        onChoose(item.value, item);
      }
      function mark(index) {
        active = Math.max(0, Math.min(index, shown.length - 1));
        for (const [i, option] of list.querySelectorAll("[role=option]").entries()) {
          option.setAttribute("aria-selected", String(i === active));
          if (i === active) {
            input.setAttribute("aria-activedescendant", option.id);
            option.scrollIntoView({ block: "nearest" });
          }
        }
      }
      function show() {
        if (known === null) return put(list, h("li", { class: "options-note", role: "presentation" }, t("正在读取…|Loading…")));
        const text = input.value.trim();
        const exact = known.find((item) => text && String(item.value) === text);
        const found = text ? known.filter((item) => item !== exact && item.search.includes(text.toLowerCase())) : known;
        const first = exact ?? (free && text ? typed(text, known) : null);
        shown = [...(first ? [first] : []), ...found].slice(0, SHOWN);
        let group = "";
        put(
          list,
          shown.map((item, i) => {
            const head = item.group && item.group !== group ? h("li", { class: "options-group", role: "presentation" }, item.group) : null;
            group = item.group ?? "";
            return [
              head,
              h(
                "li",
                { role: "option", id: uid("option"), class: "option", "aria-selected": String(i === 0), onClick: () => choose(item), onMousemove: () => i !== active && mark(i) },
                h("span", { class: "option-title" }, item.title),
                item.hint ? h("span", { class: "option-hint" }, item.hint) : null,
              ),
            ];
          }),
          shown.length ? null : h("li", { class: "options-note", role: "presentation" }, t("没有匹配项|Nothing matches")),
          found.length > SHOWN ? h("li", { class: "options-note", role: "presentation" }, t("还有 {n} 项，请继续输入|{n} more: type on", { n: found.length - SHOWN })) : null,
        );
        mark(0);
        return list;
      }
      input.addEventListener("input", show);
      input.addEventListener("keydown", (event) => {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault();
          mark(active + (event.key === "ArrowDown" ? 1 : -1));
        } else if (event.key === "Enter") {
          event.preventDefault();
          if (known === null) isChosenEarly = true;
          else if (shown[active]) choose(shown[active]);
        } else {
          isChosenEarly = false;
        }
      });
      Promise.resolve(items()).then(
        (loaded) => {
          known = loaded.map((item) => ({ ...item, search: `${item.value} ${item.title} ${pinyin(item.title)} ${item.hint ?? ""}`.toLowerCase() }));
          show();
          if (isChosenEarly && shown.length && input.checkVisibility()) choose(shown[0]);
        },
        (error) => put(list, h("li", { class: "options-note", role: "alert" }, errorLine(error))),
      );
      show();
      return h("div", { class: "combo-panel" }, input, list);
    },
    { class: name, panelClass: "combo-popover", title: label, ariaLabel: `${label}: ${face}` },
  );
}

/** What was typed, as a value: a number where only numbers were seen, since no text equals one. */
function typed(text, known) {
  const isNumber = known.length > 0 && known.every((item) => typeof item.value === "number") && Number.isFinite(Number(text));
  return { value: isNumber ? Number(text) : text, title: text, hint: t("按此文字|as typed"), group: "" };
}

/** "支付订单 order_pay" for an event; any: "任意事件". */
export function eventFace(name) {
  if (!name) return t("任意事件|Any event");
  const title = eventTitle(name);
  return title && title !== name ? `${title} ${name}` : name;
}

/** any: "any event" may be chosen; anyText: what that is called here. */
export function eventPicker(label, value, onChoose, { any = false, anyText = t("任意事件|Any event") } = {}) {
  return combobox(
    label,
    value ? eventFace(value) : any ? anyText : t("选择事件|Choose an event"),
    async () => {
      const events = await schema();
      return [
        ...(any ? [{ value: "", title: anyText }] : []),
        ...events.map((e) => ({
          value: e.event,
          title: eventTitle(e.event) ? `${eventTitle(e.event)} ${e.event}` : e.event,
          hint: number(e.events),
        })),
      ];
    },
    onChoose,
  );
}

const OWN_FIELDS = [
  ["platform", "平台|Platform"],
  ["scene_group", "场景分组|Scene group"],
  ["scene", "场景值|Scene code"],
  ["page", "页面|Page"],
  ["referrer_page", "来源页面|Referring page"],
  ["referrer_app_id", "来源小程序|Referring app"],
  ["app_id", "应用|App"],
  ["app_version", "小程序版本|App version"],
  ["env_version", "运行环境|Environment"],
  ["share_id", "分享卡片|Share card"],
  ["group_id", "群|Group"],
  ["utm.source", "渠道来源 utm|Campaign source"],
  ["utm.medium", "渠道媒介 utm|Campaign medium"],
  ["utm.campaign", "活动 utm|Campaign"],
  ["utm.content", "内容 utm|Campaign content"],
  ["utm.term", "关键词 utm|Campaign term"],
  ["device.brand", "设备品牌|Device brand"],
  ["device.model", "设备型号|Device model"],
  ["device.os", "操作系统|Operating system"],
  ["device.os_version", "系统版本|OS version"],
  ["device.host_version", "宿主版本|Host app version"],
  ["device.base_library_version", "基础库版本|Base library"],
  ["device.network_type", "网络|Network"],
  ["device.language", "语言|Language"],
  ["user_id", "用户编号|User id"],
  ["openid", "openid|openid"],
  ["unionid", "unionid|unionid"],
  ["session_id", "会话|Session"],
  ["event", "事件名|Event name"],
];
const NUMBER_FIELDS = [
  ["duration_ms", "停留毫秒|Duration in ms"],
  ["device.screen_width", "屏幕宽|Screen width"],
  ["device.screen_height", "屏幕高|Screen height"],
];

// What is known of a person beside its attributes.
const USER_FIELDS = [
  ["user.first_source.scene_group", "首次来源：场景分组|First source: scene group"],
  ["user.first_source.scene", "首次来源：场景值|First source: scene code"],
  ["user.first_source.platform", "首次来源：平台|First source: platform"],
  ["user.first_source.utm.source", "首次来源：utm 来源|First source: campaign source"],
  ["user.first_source.utm.campaign", "首次来源：utm 活动|First source: campaign"],
  ["user.latest_source.scene_group", "最近来源：场景分组|Latest source: scene group"],
  ["user.latest_source.platform", "最近来源：平台|Latest source: platform"],
  ["user.latest_source.utm.source", "最近来源：utm 来源|Latest source: campaign source"],
];
const ABOUT_USERS = new Set(["user_set", "user_set_once", "user_increment"]);

export function fieldFace(name) {
  if (!name) return t("选择字段|Choose a field");
  const own = [...OWN_FIELDS, ...NUMBER_FIELDS, ...USER_FIELDS].find(([value]) => value === name);
  return own ? t(own[1]) : name.replace(/^(properties|user)\./, "");
}

/** Attributes of persons that were set, and where persons came from. */
async function userFields() {
  const seen = new Map();
  for (const e of await schema()) {
    if (!ABOUT_USERS.has(e.event)) continue;
    for (const p of e.properties) {
      const types = p.types.map((type) => type.type);
      seen.set(p.property, { value: `user.${p.property}`, title: p.property, hint: types.map(typeTitle).join(" / ") });
    }
  }
  const group = t("用户属性|User attributes");
  return [...[...seen.values()], ...USER_FIELDS.map(([v, text]) => ({ value: v, title: t(text), hint: "" }))].map((item) => ({ ...item, group }));
}

/** event: limits properties to those seen with it. numbers: only fields that can be numbers. persons: only attributes of users. */
export function fieldPicker(label, value, onChoose, { event = "", numbers = false, persons = false, none = "" } = {}) {
  return combobox(
    label,
    value ? fieldFace(value) : none || fieldFace(""),
    async () => {
      if (persons) return [...(none ? [{ value: "", title: none }] : []), ...(await userFields())];
      const seen = new Map();
      for (const e of await schema()) {
        if (event && e.event !== event) continue;
        for (const p of e.properties) {
          if (numbers && !p.types.some((type) => type.type === "number")) continue;
          const types = p.types.map((type) => type.type);
          seen.set(p.field, { value: p.field, title: p.property, hint: types.map(typeTitle).join(" / "), group: t("事件属性|Event properties") });
        }
      }
      const own = (numbers ? NUMBER_FIELDS : [...OWN_FIELDS, ...NUMBER_FIELDS]).map(([v, text]) => ({
        value: v,
        title: t(text),
        hint: v,
        group: t("通用字段|Fields of every event"),
      }));
      return [...(none ? [{ value: "", title: none }] : []), ...(numbers ? [...seen.values(), ...own] : [...own.slice(0, 5), ...seen.values(), ...own.slice(5).map((f) => ({ ...f, group: t("更多字段|More fields") })), ...(await userFields())])];
    },
    onChoose,
  );
}

function typeTitle(type) {
  return t({ string: "文本|text", number: "数值|number", boolean: "是否|yes/no", list: "列表|list" }[type] ?? type);
}

/** Choose a value that the field had; any text may be typed. common: the apps and days to look in. */
export function valuePicker(label, face, fieldName, event, common, onChoose) {
  return combobox(
    label,
    face,
    async () => {
      const values = await valuesOf(fieldName, event, common);
      return values.map(({ value, count }) => ({
        value,
        title: faceOf(fieldName, value),
        hint: number(count),
      }));
    },
    onChoose,
    { free: true, class: "button ghost combo" },
  );
}

/** asOf: an instant or day whose knowledge is asked for; onAsOf: absent where the page has no such thing. */
export function rangePicker(value, onChange, { asOf, onAsOf } = {}) {
  const range = value ?? DEFAULT_RANGE;
  const { from, to } = days(range);
  const named = RANGES.find(([name]) => name === range);
  const known = asOf ? t(" · 截至 {day} 所知| · as known on {day}", { day: asOf.slice(0, 10) }) : "";
  const elsewhere = zone() === DEFAULT_ZONE ? "" : ` · ${zone()}`;
  const shown = `${named ? t(named[1]) : `${from} – ${to}`}${elsewhere}${known}`;
  const face = [icon("calendar"), h("span", {}, shown)];
  return popover(
    face,
    t("时间范围|Time range"),
    (close) => {
      const fromInput = h("input", { class: "input", type: "date", value: from, max: today() });
      const toInput = h("input", { class: "input", type: "date", value: to, max: addDays(today(), 1) });
      return h(
        "div",
        { class: "range-panel" },
        h(
          "div",
          { class: "range-names" },
          RANGES.map(([name, text]) =>
            h(
              "button",
              {
                type: "button",
                class: "menu-item",
                "aria-pressed": String(name === range),
                onClick: () => {
                  close();
                  onChange(name);
                },
              },
              t(text),
            ),
          ),
        ),
        h(
          "div",
          { class: "range-days" },
          field(t("从|From"), fromInput),
          field(t("到（含）|To (included)"), toInput),
          button(
            t("应用|Apply"),
            () => {
              if (!fromInput.value || !toInput.value) return;
              close();
              onChange(`${fromInput.value}..${toInput.value}`);
            },
            { class: "button primary" },
          ),
          h("p", { class: "muted small" }, t("按 {zone} 划分日期，|Days of {zone}, ", { zone: zone() }), h("a", { href: addressOf("settings"), onClick: close }, t("可在设置中更改|to be changed in Settings"))),
        ),
        onAsOf ? asOfFields(asOf, close, onAsOf) : null,
      );
    },
    { ariaLabel: `${t("时间范围|Time range")}: ${shown}` },
  );
}

/** To have an old answer again: only what had arrived by the end of a day counts. */
function asOfFields(asOf, close, onAsOf) {
  const input = h("input", { class: "input", type: "date", value: asOf?.slice(0, 10) ?? "", max: addDays(today(), -1) });
  return h(
    "div",
    { class: "range-known" },
    field(t("数据口径：截至这天结束时所知|As it was known at the end of"), input),
    h(
      "div",
      { class: "row" },
      button(t("按这天的口径|Use this day"), () => {
        if (!input.value) return;
        close();
        onAsOf(input.value);
      }),
      asOf
        ? button(t("用现在的数据|What is known now"), () => {
            close();
            onAsOf(undefined);
          })
        : null,
    ),
    h("p", { class: "muted small" }, t("之后才到达的事件、才知道的身份关系不计入，用来核对以前的报表。|Events that arrived later and ids bound later do not count: to check an old report.")),
  );
}

export function appPicker(apps, chosen, onChange) {
  const all = !chosen || chosen.length === 0;
  const face = all ? t("全部应用|All apps") : chosen.length === 1 ? appName(apps.find((app) => app.app_id === chosen[0]) ?? { app_id: chosen[0] }) : t("{n} 个应用|{n} apps", { n: chosen.length });
  return popover(
    h("span", { class: "combo-face" }, face),
    t("应用|Apps"),
    (close) => {
      const set = new Set(all ? apps.map((app) => app.app_id) : chosen);
      return h(
        "div",
        { class: "app-panel" },
        apps.map((app) =>
          check(
            h("span", {}, appName(app), h("span", { class: "option-hint" }, ` ${platformTitle(app.platform)} ${app.app_id}`)),
            set.has(app.app_id),
            (on) => (on ? set.add(app.app_id) : set.delete(app.app_id)),
          ),
        ),
        button(
          t("应用|Apply"),
          () => {
            close();
            onChange(set.size === 0 || set.size === apps.length ? undefined : [...set].sort());
          },
          { class: "button primary" },
        ),
      );
    },
    { ariaLabel: `${t("应用|Apps")}: ${face}` },
  );
}
