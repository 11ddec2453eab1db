// Boards: saved views by board; opened, removed, exported and imported.

import { h, put } from "../dom.js";
import { instant } from "../format.js";
import { t } from "../i18n.js";
import { PAGES } from "../pages.js";
import { errorNotice } from "../report.js";
import { loadViews, storeViews } from "../saved.js";
import { zone } from "../state.js";
import { button, download, iconButton, notice, toast } from "../widgets.js";

export default function boards() {
  const place = h("div", { class: "page-stack" });
  const file = h("input", { type: "file", accept: "application/json", class: "visually-hidden", tabindex: "-1", "aria-label": t("导入文件|File to import") });

  async function show() {
    try {
      put(place, view(await loadViews(), remove));
    } catch (error) {
      put(place, errorNotice(error, show));
    }
  }
  async function remove(id) {
    await change((views) => views.filter((v) => v.view_id !== id));
  }
  async function change(step) {
    try {
      await storeViews(step(await loadViews()));
    } catch (error) {
      toast(error.message, "error");
    }
    await show();
  }
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      const { views } = JSON.parse(await chosen.text());
      await change((known) => [...known.filter((k) => !views.some((v) => v.view_id === k.view_id)), ...views]);
      toast(t("已导入 {n} 个视图|{n} views imported", { n: views.length }));
    } catch {
      toast(t("不是看板文件|This is no file of boards"), "error");
    }
    file.value = "";
  });
  show();
  return h(
    "div",
    { class: "page-stack" },
    h(
      "div",
      { class: "row" },
      button(t("导出|Export"), async () => download("scenetrail-views.json", new Blob([JSON.stringify({ views: await loadViews() }, null, 1)], { type: "application/json" }))),
      button(t("导入|Import"), () => file.click()),
      file,
    ),
    place,
  );
}

function view(views, remove) {
  if (!views.length) return notice("empty", t("还没有保存的视图|No saved views yet"), t("在任何页面右上角的“…”里选择“保存视图”。|Choose “Save this view” in the … menu of any page."));
  const names = [...new Set(views.map((v) => v.board))].sort();
  return names.map((board) => {
    const title = board || t("未分组|Without a board");
    return h(
      "section",
      { class: "panel", "aria-label": title },
      h("div", { class: "panel-head" }, h("h2", {}, title)),
      h(
        "ul",
        { class: "view-list" },
        views
          .filter((v) => v.board === board)
          .map((v) => {
            const page = PAGES.find((p) => p.id === v.page);
            return h(
              "li",
              { class: "view-item" },
              h("a", { href: `#/${v.page}${v.state ? `?${v.state}` : ""}` }, v.name),
              h("span", { class: "badge" }, page ? t(page.title) : v.page),
              h("span", { class: "muted small" }, v.saved_at ? instant(v.saved_at, zone(), false) : ""),
              iconButton("close", t("删除 {name}|Remove {name}", { name: v.name }), () => remove(v.view_id)),
            );
          }),
      ),
    );
  });
}
