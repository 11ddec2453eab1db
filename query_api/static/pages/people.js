// People: find one by id or by what they did; who it is, where each fact comes from, what they did, why the ids are one person.

import { get, post } from "../api.js";
import { definition } from "../definition.js";
import { h, put } from "../dom.js";
import { instant, number, plain } from "../format.js";
import { eventTitle, idKindTitle, platformTitle, t } from "../i18n.js";
import { nameOf, strongest } from "../names.js";
import { eventPicker, rangePicker } from "../pickers.js";
import { common, errorNotice, filterSection, known, panel } from "../report.js";
import { groupTitle } from "../scene_names.js";
import { addressOf, shared, zone } from "../state.js";
import { button, dialog, fold, notice, table, tableLabel, textInput, toast } from "../widgets.js";

export default function people(context) {
  const { state } = context;
  return h("div", { class: "page-stack" }, search(context), state.user || state.id ? person(context) : list(context));
}

function search({ state, set }) {
  const input = h("input", {
    class: "input",
    type: "search",
    value: state.id ?? "",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": t("用户编号、openid、unionid 或设备编号|User id, openid, unionid or device id"),
    placeholder: t("用户编号、openid、unionid 或设备编号|user id, openid, unionid or device id"),
    size: 44,
  });
  return h(
    "form",
    {
      class: "builder",
      role: "search",
      onSubmit: (event) => {
        event.preventDefault();
        const text = input.value.trim();
        set({ id: text || undefined, user: undefined });
      },
    },
    h(
      "div",
      { class: "row" },
      input,
      h("button", { type: "submit", class: "button primary" }, t("查找|Find")),
      state.user || state.id ? button(t("返回列表|Back to the list"), () => set({ id: undefined, user: undefined })) : null,
    ),
  );
}

// --- List ---------------------------------------------------------------------

function list({ state, set, has }) {
  if (!has("users")) return notice("empty", t("输入任一编号查找用户|Find a person by any id"));
  const body = { ...common(state), ...(state.did ? { did: [{ event: state.did }] } : {}), ...(state.did_not ? { did_not: [{ event: state.did_not }] } : {}), limit: 100 };
  return [
    h(
      "section",
      { class: "builder", "aria-label": t("用户条件|Conditions of the list") },
      h(
        "div",
        { class: "builder-row" },
        h("div", { class: "field" }, h("span", { class: "label" }, t("时间范围|Time range")), rangePicker(state.range, (range) => set({ range }))),
        h("div", { class: "field" }, h("span", { class: "label" }, t("做过|Did")), eventPicker(t("做过|Did"), state.did ?? "", (did) => set({ did }), { any: true })),
        h("div", { class: "field" }, h("span", { class: "label" }, t("没做过|Did not")), eventPicker(t("没做过|Did not"), state.did_not ?? "", (event) => set({ did_not: event }), { any: true, anyText: t("不限|no condition") })),
      ),
      filterSection(state, set, { compare: "" }),
    ),
    panel({
      title: t("用户列表|Users"),
      report: "users",
      body,
      isUsers: true,
      wide: true,
      isEmpty: (answer) => answer.result.total === 0,
      render: (answer) => [
        h("p", { class: "users-total" }, h("b", { dataset: { figure: "total" } }, number(answer.result.total)), " ", t("位用户|users"), answer.result.next_after ? h("span", { class: "muted" }, ` · ${t("显示前 100 位，全部请下载 CSV|the first 100; take the CSV for more")}`) : null),
        table(
          t("用户列表|Users"),
          [
            { name: "user", title: t("用户|User"), cell: (r) => h("a", { class: "person", title: nameOf(r), href: addressOf("people", { ...shared(state), user: r.user }) }, nameOf(r)), value: nameOf },
            { name: "first", title: t("首次出现|First seen"), cell: (r) => h("span", { class: "day" }, instant(r.first_seen, zone(), false)), value: (r) => r.first_seen },
            { name: "last", title: t("最近出现|Last seen"), cell: (r) => h("span", { class: "day" }, instant(r.last_seen, zone(), false)), value: (r) => r.last_seen },
            { name: "platforms", title: t("平台|Platforms"), cell: (r) => h("span", { class: "day" }, (r.platforms ?? []).map(platformTitle).join(t("、|, "))), value: (r) => (r.platforms ?? []).join() },
            { name: "events", title: t("事件|Events"), number: true, cell: (r) => h("a", { class: "users-link", href: addressOf("people", { ...shared(state), user: r.user }) }, number(r.events)), value: (r) => r.events },
          ],
          answer.result.users,
        ),
      ],
    }),
  ];
}

// --- One person ------------------------------------------------------------------

function person({ state, set, has, session }) {
  const who = state.user ? { user: state.user } : { id: state.id };
  const apps = state.apps?.length ? { app_ids: state.apps } : {};
  const body = { ...apps, ...who, timezone: zone(), ...known(state) };
  return [
    panel({ title: t("用户画像|Profile"), report: "profile", body, wide: true, render: (answer) => [profile(answer.result), why(answer.result, session.whole_project)] }),
    has("timeline")
      ? panel({
          title: t("行为序列|Timeline"),
          report: "timeline",
          body: { ...body, limit: 200, ...(state.only ? { filter: { field: "event", op: "eq", values: [state.only] } } : {}) },
          wide: true,
          actions: [eventPicker(t("只看事件|Only this event"), state.only ?? "", (only) => set({ only }), { any: true })],
          isEmpty: (answer) => answer.result.total === 0,
          render: (answer) => timeline(answer.result),
        })
      : null,
  ];
}

function profile(result) {
  const entry = (title, source) =>
    source
      ? h(
          "div",
          {},
          h("span", { class: "label" }, title),
          h("span", {}, `${platformTitle(source.platform ?? "")} ${groupTitle(source.scene_group ?? "")} ${source.scene ?? ""}`),
          h("span", { class: "muted small" }, instant(source.at, zone())),
        )
      : null;
  const figure = (title, text) => h("div", {}, h("span", { class: "label" }, title), h("span", { class: "value" }, text));
  return [
    h("h3", { class: "subject" }, nameOf(result)),
    h(
      "div",
      { class: "summary" },
      figure(t("事件|Events"), number(result.events)),
      figure(t("首次出现|First seen"), instant(result.first_seen, zone(), false)),
      figure(t("最近出现|Last seen"), instant(result.last_seen, zone(), false)),
      entry(t("首次来源|First source"), result.first_source),
      entry(t("最近来源|Latest source"), result.latest_source),
    ),
    h(
      "div",
      { class: "grid-2" },
      h(
        "div",
        {},
        h("h3", { class: "sub" }, t("属性（每项都有来源）|Attributes, each with its source")),
        result.attributes.length
          ? table(
              t("属性|Attributes"),
              [
                { name: "name", title: t("属性|Attribute"), cell: (r) => r.name, value: (r) => r.name },
                { name: "value", title: t("值|Value"), cell: (r) => plain(r.value), value: (r) => plain(r.value) },
                { name: "at", title: t("来自|From"), cell: (r) => h("span", { class: "muted", title: r.event_id }, `${eventTitle(r.event) || r.event} ${instant(r.at, zone(), false)}`), value: (r) => r.at },
              ],
              result.attributes,
            )
          : h("p", { class: "muted" }, t("没有设置过属性|No attributes were set")),
      ),
      h(
        "div",
        {},
        h("h3", { class: "sub" }, t("编号|Ids")),
        table(
          t("编号|Ids"),
          [
            { name: "kind", title: t("种类|Kind"), cell: (r) => idKindTitle(r.kind), value: (r) => r.kind },
            { name: "id", title: t("编号|Id"), cell: (r) => h("code", {}, r.id), value: (r) => r.id },
            { name: "app", title: "app_id", cell: (r) => h("code", { class: "muted" }, r.app_id || "–"), value: (r) => r.app_id },
          ],
          result.ids,
        ),
      ),
    ),
  ];
}

/** Why the ids are one person, asked when it is opened. mayUnbind: the token is for the whole project. */
function why(result, mayUnbind) {
  const first = strongest(result.ids);
  if (!first) return null;
  const place = h("div");
  async function load() {
    try {
      const answer = await get(`/v1/identity/${encodeURIComponent(`${first.kind}:${first.id}`)}/explain`);
      const found = answer.result.persons.find((p) => p.user === result.user) ?? answer.result.persons[0];
      put(place, explained(found, mayUnbind ? load : null), definition("why", answer.semantics));
    } catch (error) {
      put(place, errorNotice(error, load));
    }
  }
  return fold("why", t("为什么这些编号是同一个人|Why these ids are one person"), place, { class: "more-options why", opened: () => place.childElementCount || load() });
}

const WHY_NOT = {
  unbound: "已被拆开|taken apart",
  joined_by_others: "已被拆开，但仍由其他绑定相连|taken apart, joined by others still",
  conflict: "编号冲突|conflict",
  not_followed: "绑定太多或尚未处理|too many bindings, or not seen yet",
};

/** again: asks once more after two ids were taken apart; null where the token may not do that. */
function explained(found, again) {
  const side = (one) => h("span", {}, h("span", { class: "muted" }, `${idKindTitle(one.kind)} `), h("code", {}, one.id));
  const pair = [
    { name: "id", title: t("编号|Id"), cell: (r) => side(r.id) },
    { name: "other", title: t("一起出现的编号|Seen together with"), cell: (r) => side(r.other) },
  ];
  const columns = [
    ...pair,
    { name: "events", title: t("次数|Events"), number: true, cell: (r) => number(r.events), value: (r) => r.events },
    { name: "evidence", title: t("依据|Evidence"), cell: (r) => h("span", {}, instant(r.evidence.occurred_at, zone()), " ", h("code", { class: "muted clip", title: r.evidence.event_id }, r.evidence.event_id)) },
  ];
  return [
    found.bindings.length
      ? table(t("绑定|Bindings"), [...columns, ...(again ? [{ name: "unbind", title: t("操作|Action"), cell: (r) => button(t("拆开|Take apart"), () => unbind(r, side, again), { class: "button small", "aria-label": t("拆开 {id} 与 {other}|Take {id} and {other} apart", { id: r.id.id, other: r.other.id }) }) }] : [])], found.bindings)
      : h("p", { class: "muted" }, t("只有一个编号|There is only one id")),
    found.not_merged.length
      ? [h("h3", { class: "sub" }, t("没有合并|Not merged")), table(t("没有合并|Not merged"), [...columns, { name: "why", title: t("原因|Why"), cell: (r) => h("span", { class: "badge warn", title: r.because }, t(WHY_NOT[r.why] ?? r.why)) }], found.not_merged, { name: "not_merged" })]
      : null,
    found.unbindings?.length
      ? [
          h("h3", { class: "sub" }, t("拆开记录|Taken apart")),
          table(
            t("拆开记录|Taken apart"),
            [
              ...pair,
              { name: "at", title: t("时间|Time"), cell: (r) => instant(r.unbound_at, zone()), value: (r) => r.unbound_at },
              { name: "reason", title: t("原因|Reason"), cell: (r) => r.reason },
              { name: "by", title: t("令牌|Token"), cell: (r) => h("code", { class: "muted" }, r.unbound_by) },
            ],
            found.unbindings,
            { name: "unbindings" },
          ),
        ]
      : null,
    again ? null : h("p", { class: "legend" }, t("拆开编号需要整个项目的令牌。|Taking ids apart needs a token for the whole project.")),
  ];
}

function unbind(pair, side, again) {
  const reason = textInput(t("原因|Reason"), "", () => {}, { maxlength: 1000, required: true, autofocus: true });
  const fault = h("div");
  const given = ({ kind, id, app_id: app }) => ({ kind, id, ...(app ? { app_id: app } : {}) });
  const box = dialog(
    t("拆开这两个编号？|Take these two ids apart?"),
    h("p", {}, side(pair.id), " · ", side(pair.other)),
    h("p", { class: "muted" }, t("此前的事件不再把它们绑在一起；以后的事件若同时带有两者会再次绑定。约一秒后人会重新计算，所有报表随之改变。|Events up to now bind them no longer; a later event with both binds them again. The persons are worked out anew within about a second, and every report follows.")),
    h(
      "form",
      {
        class: "form",
        onSubmit: async (event) => {
          event.preventDefault();
          try {
            await post("/v1/identity/unbind", { id: given(pair.id), other: given(pair.other), reason: reason.querySelector("input").value.trim() });
            box.close();
            toast(t("已拆开|Taken apart"));
            await again();
          } catch (error) {
            put(fault, errorNotice(error));
          }
        },
      },
      reason,
      fault,
      h("button", { type: "submit", class: "button danger" }, t("拆开|Take apart")),
    ),
  );
}

function timeline(result) {
  return [
    h("p", { class: "muted" }, t("共 {n} 个事件|{n} events", { n: number(result.total) })),
    h(
      "div",
      { class: "table-holder", tabindex: "0", role: "region", "aria-label": tableLabel(t("行为序列|Timeline")) },
      h(
        "table",
        { class: "feed" },
        h("thead", {}, h("tr", {}, [t("时间|Time"), t("事件|Event"), t("页面|Page"), t("内容|Content")].map((text) => h("th", { scope: "col" }, text)))),
        h(
          "tbody",
          {},
          result.events.map((e) => {
            const properties = Object.entries(e.properties ?? {});
            const rest = Object.entries(e).filter(([name]) => !["properties", "event", "page", "occurred_at"].includes(name));
            return h(
              "tr",
              {},
              h("td", {}, instant(e.occurred_at, zone())),
              h("th", { scope: "row" }, eventTitle(e.event), " ", h("code", { class: "muted" }, e.event)),
              h("td", {}, e.page ?? ""),
              h(
                "td",
                {},
                h(
                  "details",
                  {},
                  h("summary", {}, h("span", { class: "clip" }, properties.map(([name, value]) => `${name}=${plain(value)}`).join("  ") || t("展开|Open"))),
                  h("div", { class: "raw" }, [...properties, ...rest].map(([name, value]) => h("div", {}, h("b", {}, name), ": ", plain(value)))),
                ),
              ),
            );
          }),
        ),
      ),
    ),
  ];
}
