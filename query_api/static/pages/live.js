// Live: events as they arrive, with their fate and what was wrong: to check one's own tracking.

import { get } from "../api.js";
import { definition } from "../definition.js";
import { h, put } from "../dom.js";
import { eventFault } from "../errors.js";
import { apart, duration, instant, plain } from "../format.js";
import { appName, eventTitle, platformTitle, t } from "../i18n.js";
import { errorNotice, sectionTools } from "../report.js";
import { zone } from "../state.js";
import { button, linesOf, notice, select, tableLabel, textInput } from "../widgets.js";

const EVERY_MS = 1000;

export default function live({ state, set, main, session }) {
  const body = h("tbody");
  const pulse = h("span", { class: "pulse", role: "status" }, t("正在接收|Receiving"));
  const fault = h("div");
  const foot = h("div", { class: "panel-foot" });
  const empty = h("div", {}, h("p", { class: "loading" }, t("正在读取…|Loading…")));
  let paused = false;
  let stopped = false;
  let timer = null;
  let shown = "";
  const controller = new AbortController();
  const nameOf = new Map(session.apps.map((app) => [app.app_id, appName(app)]));

  const apps = (state.apps ?? []).map((id) => `app_id=${encodeURIComponent(id)}`).join("&");
  const address = `/console/live${apps ? `?${apps}` : ""}`;

  async function turn() {
    if (stopped || !body.isConnected) return;
    if (!paused && !document.hidden) {
      try {
        const answer = await get(address, controller.signal);
        put(fault);
        show(answer);
      } catch (error) {
        if (error.name === "AbortError") return;
        put(empty);
        put(fault, errorNotice(error));
      }
    }
    if (!stopped) timer = setTimeout(turn, EVERY_MS);
  }

  function show(answer) {
    const text = (state.text ?? "").toLowerCase();
    const rows = answer.result.events
      .filter((e) => !state.fate || e.fate === state.fate)
      .filter((e) => !text || JSON.stringify(e).toLowerCase().includes(text));
    const key = rows.map((r) => `${r.event_id}${r.received_ms}${r.fate}`).join();
    if (key === shown && rows.length) return;
    shown = key;
    const open = new Set([...body.querySelectorAll("details[open]")].map((d) => d.dataset.id));
    put(body, rows.map((row) => line(row, open.has(row.event_id), nameOf)));
    put(empty, rows.length ? null : notice("empty", t("最近一小时没有事件到达|No event arrived within the last hour"), t("用小程序点几下，这里会在两秒内显示；没有出现时检查写入密钥、采集地址和合法域名。|Use the mini-program: events show within two seconds. If not, check write key, collector address and allowed domains.")));
    if (!foot.firstChild) put(foot, definition("live", answer.semantics));
  }

  main.addEventListener(
    "leave",
    () => {
      stopped = true;
      controller.abort();
      clearTimeout(timer);
    },
    { once: true },
  );
  setTimeout(turn);
  const pause = button(
    t("暂停|Pause"),
    () => {
      paused = !paused;
      pulse.classList.toggle("paused", paused);
      put(pulse, paused ? t("已暂停|Paused") : t("正在接收|Receiving"));
      put(pause, paused ? t("继续|Go on") : t("暂停|Pause"));
    },
    { "data-action": "pause" },
  );
  const feed = h(
    "div",
    { class: "table-holder", tabindex: "0", role: "region", "aria-label": tableLabel(t("实时事件|Live events")) },
    h(
      "table",
      { class: "feed" },
      h("thead", {}, h("tr", {}, [t("到达|Arrived"), t("结果|Fate"), t("事件|Event"), t("应用|App"), t("用户|User"), t("内容|Content")].map((text) => h("th", { scope: "col" }, text)))),
      body,
    ),
  );
  feed.lines = () => linesOf(feed);
  const tools = h("div", { class: "panel-tools" });
  const card = h(
      "section",
      { class: "panel", "aria-label": t("实时事件|Live events") },
      h(
        "div",
        { class: "panel-head" },
        h("h2", {}, t("最近到达的事件|Events that arrived last")),
        h(
          "div",
          { class: "panel-actions" },
          pulse,
          select(
            t("结果|Fate"),
            [
              ["", t("全部结果|All")],
              ["accepted", t("已接收|Accepted")],
              ["refused", t("被拒绝|Refused")],
            ],
            state.fate ?? "",
            (fate) => set({ fate }),
            { hidden: true },
          ),
          textInput(t("包含文字|Contains"), state.text, (text) => set({ text }), { hidden: true, type: "search", placeholder: t("事件名、用户、属性…|event, user, property…") }),
          pause,
          tools,
        ),
      ),
      fault,
      feed,
      empty,
      foot,
  );
  put(tools, sectionTools({ name: "live", address, card, again: () => (shown = "") }));
  return h("div", { class: "page-stack" }, card);
}

/** Properties of an accepted event as [name, value] pairs. */
function properties(row) {
  return [row.texts, row.numbers, row.flags, row.lists].flatMap((text) => Object.entries(JSON.parse(text)));
}

function line(row, isOpen, nameOf) {
  const refused = row.fate === "refused";
  const title = refused ? "" : eventTitle(row.event);
  const more = refused
    ? h("pre", { class: "raw" }, row.raw)
    : h(
        "dl",
        { class: "raw" },
        [
          ["event_id", row.event_id],
          [t("发生时间|Occurred"), `${instant(row.occurred_ms, zone())}${row.clock === "ok" ? "" : ` (${t("时钟|clock")} ${row.clock})`}`],
          [t("延迟|Lag"), duration(Math.max(0, row.received_ms - row.occurred_ms))],
          [t("页面|Page"), row.page],
          [t("场景值|Scene"), row.scene],
          ...properties(row).map(([name, value]) => [name, plain(value)]),
        ]
          .filter(([, value]) => value !== "")
          .map(([name, value]) => h("div", {}, h("b", {}, name), ": ", String(value))),
      );
  const summary = refused
    ? [eventFault(row.code), `${row.path ? `${row.path}: ` : ""}${row.message}`].filter(Boolean).join(" · ")
    : [apart(row.page), ...properties(row).map(([name, value]) => `${name}=${plain(value)}`)].filter(Boolean).join("  ");
  return h(
    "tr",
    { dataset: { fate: row.fate } },
    h("td", {}, h("span", { title: instant(row.received_ms, zone()) }, instant(row.received_ms, zone()).slice(11))),
    h("td", {}, refused ? h("span", { class: "badge bad" }, row.code) : h("span", { class: "badge good" }, t("已接收|accepted"))),
    h("th", { scope: "row" }, refused ? h("span", { class: "muted" }, t("（未入库）|(not stored)")) : [title, title ? h("code", { class: "muted" }, ` ${row.event}`) : h("span", { class: "clip", title: row.event }, row.event)]),
    h("td", {}, h("span", { class: "clip" }, nameOf.get(row.app_id) ?? row.app_id), row.platform ? h("span", { class: "muted" }, ` ${platformTitle(row.platform)}`) : null),
    h("td", {}, h("code", { class: "clip" }, row.id ?? "")),
    h("td", {}, h("details", { open: isOpen, dataset: { id: row.event_id } }, h("summary", {}, h("span", { class: "clip" }, summary || t("展开|Open"))), more)),
  );
}

