// Boards: the charts of saved views side by side on one page; arranged, exported and imported.

import { h, put } from "../dom.js";
import { errorLine } from "../errors.js";
import { instant } from "../format.js";
import { t } from "../i18n.js";
import { PAGES } from "../pages.js";
import { confirmDelete, errorNotice } from "../report.js";
import { loadViews, newViewId, storeViews } from "../saved.js";
import { DEFAULT_ZONE, RANGES, addressOf, changeEntry, inView, parseState, view as shown, writeState, zone } from "../state.js";
import { button, download, menu, notice, segmented, select, toast } from "../widgets.js";

/** Pages whose first part says nothing by itself; on a board they are a link. */
const LINKS = new Set(["people", "live", "quality", "settings", "boards"]);

/** What an operator asks first, for an installation without boards. */
const STARTER = [
  ["核心指标|Key figures", "overview", {}, true],
  ["新用户从哪里来|Where new users come from", "scenes", { metric: "new_users" }],
  ["订单漏斗，按首次来源|Order funnel by first source", "funnel", { breakdown: ["user.first_source.scene_group"] }],
  ["新用户留存|Retention of new users", "retention", { unit: "week" }],
  ["谁带来新用户|Who brings others", "share", {}],
];

export default function boards(context) {
  const { state, set } = context;
  const place = h("div", { class: "page-stack" }, waiting());
  const tools = h("div", { class: "row" });
  const file = h("input", { type: "file", accept: "application/json", class: "visually-hidden", tabindex: "-1", "aria-label": t("导入文件|File to import") });

  async function show() {
    try {
      const views = await loadViews();
      const names = [...new Set(views.map((v) => v.board))].sort();
      const chosen = names.includes(state.board ?? "") ? (state.board ?? "") : names[0];
      const own = views.filter((v) => v.board === chosen);
      put(
        tools,
        own.length ? button(t("导出此看板|Export this board"), () => save(own, chosen)) : null,
        names.length > 1 ? button(t("导出全部|Export all"), () => save(views, "")) : null,
        button(t("导入|Import"), () => file.click()),
        views.length ? button(t("添加常用图表|Add the usual charts"), () => change((all) => [...all, ...starter()]), { class: "button ghost" }) : null,
        file,
      );
      for (const card of place.querySelectorAll(".panel")) card.stop?.();
      put(
        place,
        views.length
          ? [
              h(
                "div",
                { class: "row" },
                names.length > 1 ? segmented(t("看板|Board"), names.map((name) => [name, titleOf(name)]), chosen, (board) => set({ board })) : null,
                select(t("时间范围|Time range"), [["", t("各图自己的范围|each its own")], ...RANGES.map(([value, text]) => [value, t(text)])], state.range ?? "", (range) => set({ range: range || undefined }), { hidden: true }),
              ),
              h("section", { class: "board", "aria-label": titleOf(chosen) }, h("h2", { class: "visually-hidden" }, titleOf(chosen)), own.map((view, i) => tile(view, i, context, act))),
            ]
          : notice(
              "empty",
              t("还没有看板|No boards yet"),
              t("在任何页面右上角的“…”里选择“保存视图”，填上看板名称；或者先放一组常用图表。|Choose “Save this view” in the … menu of any page and name a board; or begin with the usual charts."),
              button(t("添加常用图表|Add the usual charts"), () => change((all) => [...all, ...starter()]), { class: "button primary" }),
            ),
      );
    } catch (error) {
      put(place, errorNotice(error, show));
    }
  }
  const save = (views, name) => download(`scenetrail-${name || "views"}.json`, new Blob([JSON.stringify({ views }, null, 1)], { type: "application/json" }));
  const act = {
    change: (view, part) => change((all) => all.map((one) => (one.view_id === view.view_id ? { ...one, ...part } : one))),
    earlier: (view, before) => change((all) => all.flatMap((one) => (one.view_id === view.view_id ? [] : one.view_id === before.view_id ? [view, one] : [one]))),
    remove: (view) => confirmDelete(t("删除 {name}|Remove {name}", { name: view.name }), async () => storeViews((await loadViews()).filter((one) => one.view_id !== view.view_id)), show),
  };
  async function change(step) {
    try {
      await storeViews(step(await loadViews()));
    } catch (error) {
      toast(errorLine(error), "error");
    }
    await show();
  }
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    let views = null;
    try {
      ({ views } = JSON.parse(await chosen.text()));
    } catch {
      views = null;
    }
    file.value = "";
    if (!Array.isArray(views)) {
      toast(t("不是看板文件|This is no file of boards"), "error");
      return;
    }
    try {
      const known = await loadViews();
      await storeViews([...known.filter((k) => !views.some((v) => v.view_id === k.view_id)), ...views]);
      toast(t("已导入 {n} 个视图|{n} views imported", { n: views.length }));
    } catch (error) {
      toast(errorLine(error), "error");
    }
    await show();
  });
  show();
  return h("div", { class: "page-stack" }, tools, place);
}

const waiting = () => h("div", { class: "loading" }, h("div", { class: "progress", role: "progressbar", "aria-label": t("正在读取…|Loading…") }));

const titleOf = (board) => board || t("未分组|Without a board");

function starter() {
  const board = t("常用|The usual");
  return STARTER.map(([name, page, state, wide = false]) => ({ view_id: newViewId(), name: t(name), page, state: writeState(state), board, wide, saved_at: Date.now() }));
}

/** One view: its first part, as its page shows it, without the builder. */
function tile(view, i, context, act) {
  const page = PAGES.find((one) => one.id === view.page && (!one.report || context.has(one.report)));
  const own = { tz: DEFAULT_ZONE, ...parseState(view.state), ...context.state.tiles?.[view.view_id] };
  const state = context.state.range ? { ...own, range: context.state.range } : own;
  const address = addressOf(view.page, state);
  const content = h("div", { class: "tile-content" });
  const card = h(
    "article",
    { class: `tile ${view.wide ? "wide" : ""}`, dataset: { page: view.page } },
    h(
      "div",
      { class: "tile-head" },
      h("h3", {}, h("a", { href: address }, view.name)),
      h("span", { class: "badge" }, page ? t(page.title) : view.page),
      menu(t("“{name}”的操作|Actions of {name}", { name: view.name }), [
        [t("打开|Open"), () => (location.hash = address)],
        [view.wide ? t("占半行|Half a row") : t("占整行|A whole row"), () => act.change(view, { wide: !view.wide })],
        i > 0 ? [t("移到前一个之前|Move before the previous one"), () => moveUp(view, card, act)] : null,
        [t("删除 {name}|Remove {name}", { name: view.name }), () => act.remove(view)],
      ]),
    ),
    content,
  );
  card.view = view;
  if (!page) put(content, notice("empty", t("没有这个页面|No such page")));
  else if (LINKS.has(page.id)) put(content, h("p", { class: "muted" }, t("保存于|Saved"), " ", instant(view.saved_at, zone(), false)));
  else fill(content, page, viewOf(view, state), context);
  return card;
}

function moveUp(view, card, act) {
  const before = card.previousElementSibling?.view;
  if (before) act.earlier(view, before);
}

/** The view that a tile shows: how it is looked at here (sorted, series switched off) is kept in the board's address, by view. */
function viewOf({ view_id: id }, state) {
  const board = shown();
  return {
    get state() {
      return { ...state, ...board.state.tiles?.[id] };
    },
    change: (part, options) => changeEntry(board, "tiles", id, { ...board.state.tiles?.[id], ...part }, options),
  };
}

async function fill(content, page, tileView, context) {
  put(content, waiting());
  try {
    page.module ??= await page.load();
    const { state } = tileView;
    const made = inView(tileView, () => page.module.default({ ...context, state, main: content, set: (part) => (location.hash = addressOf(page.id, { ...tileView.state, ...part })) }));
    const [first, ...others] = made.matches?.(".panel") ? [made] : made.querySelectorAll(".panel");
    for (const other of others) other.stop?.();
    if (!first) throw new Error(t("这个页面没有图表|This page has no chart"));
    put(content, first);
  } catch (error) {
    put(content, errorNotice(error));
  }
}
