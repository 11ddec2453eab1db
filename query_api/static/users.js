// The users behind a number: exactly as many as the number says, with CSV and the way to each person.

import { csvSlices, post } from "./api.js";
import { h, put } from "./dom.js";
import { errorLine } from "./errors.js";
import { number } from "./format.js";
import { platformTitle, t } from "./i18n.js";
import { nameOf, personLink } from "./names.js";
import { apiRequest, errorNotice, missingNotice } from "./report.js";
import { button, copy, dialog, download, toast } from "./widgets.js";

const PAGE = 100;

/** Open the list of a cell's users, each under its strongest id; return its dialog. profiles: the people page exists, so each leads there. */
export function showUsers(report, body, cell, title, { profiles = false } = {}) {
  const question = { ...body, cell, details: true, limit: PAGE };
  const total = h("p", { class: "users-total" }, t("正在查询…|Querying…"));
  const list = h("ol", { class: "users-list" });
  const more = h("div", { class: "users-more" });
  const controller = new AbortController();
  const taking = button(t("下载 CSV|Download CSV"), take);
  const read = h("span", { class: "muted", role: "status" });
  const box = dialog(
    title,
    total,
    h(
      "div",
      { class: "row" },
      taking,
      button(t("复制为 API 请求|Copy as API request"), () => copy(apiRequest(`${report}/users`, { ...body, cell })), { class: "button ghost" }),
      button(t("复制链接|Copy the link"), () => copy(location.href), { class: "button ghost" }),
      read,
    ),
    list,
    more,
  );
  box.classList.add("users-dialog");
  box.addEventListener("close", () => controller.abort());

  /** Everyone with their ids, slice by slice: until the list is closed. */
  async function take() {
    const parts = [];
    let lines = -1; // the head line is no user
    taking.disabled = true;
    try {
      for await (const part of csvSlices(`${report}/users`, { ...body, cell, details: true }, controller.signal)) {
        parts.push(part);
        lines += part.split("\n").length - 1;
        put(read, t("已读取 {n} / {all} 位|{n} of {all} read", { n: number(lines), all: total.firstChild.textContent }));
      }
      download(`scenetrail-${report}-users.csv`, new Blob(parts, { type: "text/csv" }));
    } catch (error) {
      if (error.name !== "AbortError") toast(errorLine(error), "error");
    }
    taking.disabled = false;
  }

  async function page(after) {
    put(more);
    try {
      const answer = await post(`/v1/query/${report}/users`, after ? { ...question, after } : question, controller.signal);
      const { users, next_after: next } = answer.result;
      if (!after) {
        put(total, h("b", {}, number(answer.result.total)), " ", t("位用户|users"));
        const missing = missingNotice(answer.meta);
        if (missing) total.after(missing);
        box.dataset.total = String(answer.result.total);
      }
      for (const row of users) {
        const link = personLink(row.user, nameOf(row), { profiles, title: row.platforms.map(platformTitle).join("、") });
        list.append(h("li", {}, link));
      }
      if (next) put(more, button(t("再显示 {n} 位|Show {n} more", { n: PAGE }), () => page(next)));
    } catch (error) {
      if (error.name !== "AbortError") put(more, errorNotice(error, () => page(after)));
    }
  }
  page("");
  return box;
}
