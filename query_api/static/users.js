// The users behind a number: exactly as many as the number says, with CSV and the way to each person.

import { csv, post } from "./api.js";
import { h, put } from "./dom.js";
import { errorLine } from "./errors.js";
import { number } from "./format.js";
import { t } from "./i18n.js";
import { addressOf } from "./state.js";
import { apiRequest, errorNotice, missingNotice } from "./report.js";
import { button, copy, dialog, download, toast } from "./widgets.js";

const PAGE = 100;

/** Open the list of a cell's users. profiles: the people page exists, so each id leads there. */
export function showUsers(report, body, cell, title, { profiles = false } = {}) {
  const question = { ...body, cell, limit: PAGE };
  const total = h("p", { class: "users-total" }, t("正在查询…|Querying…"));
  const list = h("ol", { class: "users-list" });
  const more = h("div", { class: "users-more" });
  const controller = new AbortController();
  const box = dialog(
    title,
    total,
    h(
      "div",
      { class: "row" },
      button(t("下载 CSV|Download CSV"), async () => {
        try {
          download(`scenetrail-${report}-users.csv`, await csv(`${report}/users`, { ...body, cell, limit: 100_000 }));
        } catch (error) {
          toast(errorLine(error), "error");
        }
      }),
      button(t("复制为 API 请求|Copy as API request"), () => copy(apiRequest(`${report}/users`, { ...body, cell })), { class: "button ghost" }),
    ),
    list,
    more,
  );
  box.classList.add("users-dialog");
  box.addEventListener("close", () => controller.abort());

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
      for (const { user } of users) {
        list.append(h("li", {}, profiles ? h("a", { href: addressOf("people", { user }), onClick: () => box.close() }, user) : h("code", {}, user)));
      }
      if (next) put(more, button(t("再显示 {n} 位|Show {n} more", { n: PAGE }), () => page(next)));
    } catch (error) {
      if (error.name !== "AbortError") put(more, errorNotice(error, () => page(after)));
    }
  }
  page("");
}
