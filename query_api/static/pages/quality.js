// Data quality: what was refused and why, how late events come, whose clocks are wrong, which ids conflict.

import { get } from "../api.js";
import { h, put } from "../dom.js";
import { duration, instant, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { definitionList, errorNotice } from "../report.js";
import { zone } from "../state.js";
import { dialog, notice, segmented, table } from "../widgets.js";

export default function quality({ state, set, session, main }) {
  const days = state.days ?? 7;
  const place = h("div", { class: "page-stack" }, h("div", { class: "loading" }, h("div", { class: "progress", role: "progressbar", "aria-label": t("正在查询|Querying") })));
  const controller = new AbortController();
  main.addEventListener("leave", () => controller.abort(), { once: true });
  const nameOf = new Map(session.apps.map((app) => [app.app_id, app.name || app.app_id]));
  const query = new URLSearchParams([["days", String(days)], ...(state.apps ?? []).map((id) => ["app_id", id])]);
  async function ask() {
    try {
      const answer = await get(`/console/quality?${query}`, controller.signal);
      put(place, view(answer, nameOf));
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
  );
}

function section(title, ...content) {
  return h("section", { class: "panel", "aria-label": title }, h("div", { class: "panel-head" }, h("h2", {}, title)), ...content);
}

function view(answer, nameOf) {
  const { refused, arrived, identity_conflicts: conflicts } = answer.result;
  const app = (r) => nameOf.get(r.app_id) ?? r.app_id;
  const share = (part, whole) => (whole ? part / whole : null);
  const count = (name, title, of = "events") => ({ name, title, number: true, value: (r) => r[name], cell: (r) => h("span", { title: number(r[name]) }, r[name] ? rate(share(r[name], r[of]), 2) : "0") });
  return [
    section(
      t("被拒绝的事件|Refused events"),
      refused.length
        ? table(
            t("被拒绝的事件|Refused events"),
            [
              { name: "code", title: t("原因|Reason"), cell: (r) => h("span", { class: "badge bad" }, r.code), value: (r) => r.code },
              { name: "field", title: t("字段|Field"), cell: (r) => h("code", {}, r.field), value: (r) => r.field },
              { name: "app", title: t("应用|App"), cell: app, value: app },
              { name: "events", title: t("事件|Events"), number: true, cell: (r) => number(r.events), value: (r) => r.events },
              { name: "redriven", title: t("已重投|Redriven"), number: true, cell: (r) => number(r.redriven), value: (r) => r.redriven },
              { name: "last", title: t("最近|Latest"), cell: (r) => instant(r.last_ms, zone()), value: (r) => r.last_ms },
              { name: "message", title: t("说明|Message"), cell: (r) => h("button", { type: "button", class: "users-link clip", onClick: () => example(r) }, r.message), value: (r) => r.message },
            ],
            refused,
          )
        : notice("empty", t("没有被拒绝的事件|Nothing was refused")),
      h("p", { class: "legend" }, t("修正后可用命令 scenetrail 重新投递，见 collector 的说明。|After a repair they can be sent again by the scenetrail command: see the collector's README.")),
    ),
    section(
      t("到达情况|Arrivals"),
      arrived.length
        ? table(
            t("到达情况|Arrivals"),
            [
              { name: "app", title: t("应用|App"), cell: app, value: app },
              { name: "events", title: t("事件|Events"), number: true, cell: (r) => number(r.events), value: (r) => r.events },
              { name: "newest", title: t("最新到达|Newest"), cell: (r) => instant(r.newest_ms, zone()), value: (r) => r.newest_ms },
              { name: "p50", title: t("延迟中位数|Median lag"), number: true, cell: (r) => duration(r.lag_ms[0]), value: (r) => r.lag_ms[0] },
              { name: "p90", title: "p90", number: true, cell: (r) => duration(r.lag_ms[1]), value: (r) => r.lag_ms[1] },
              { name: "p99", title: "p99", number: true, cell: (r) => duration(r.lag_ms[2]), value: (r) => r.lag_ms[2] },
              count("clock_shifted", t("时钟已校正|Clock shifted")),
              count("clock_future", t("未来时间|Future clock")),
              count("copies", t("重复|Copies")),
              count("entries_without_scene", t("缺场景值|No scene")),
            ],
            arrived,
          )
        : notice("empty", t("这段时间没有事件到达|Nothing arrived")),
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
          )
        : null,
      conflicts.length
        ? table(
            t("身份冲突|Identity conflicts"),
            [
              { name: "reason", title: t("冲突的编号|Conflicting id"), cell: (r) => r.reason, value: (r) => r.reason },
              { name: "conflicts", title: t("冲突|Conflicts"), number: true, cell: (r) => number(r.conflicts), value: (r) => r.conflicts },
              { name: "last", title: t("最近|Latest"), cell: (r) => instant(r.last_ms, zone()), value: (r) => r.last_ms },
            ],
            conflicts,
          )
        : h("p", { class: "legend" }, t("没有身份冲突|No identity conflicts")),
    ),
    h("details", { class: "definition panel" }, h("summary", {}, t("口径定义|Definition")), definitionList(answer.semantics)),
  ];
}

function example(row) {
  dialog(`${row.code} ${row.field}`, h("p", {}, row.message), h("p", { class: "muted" }, t("最近一条的原文（前 2000 字）|The latest as received (first 2000 characters)")), h("pre", { class: "raw" }, row.raw));
}
