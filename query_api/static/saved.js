// Saved views: kept on the server for everyone of the project.

import { get, replace } from "./api.js";
import { h, put } from "./dom.js";
import { t } from "./i18n.js";
import { writeState } from "./state.js";
import { errorNotice } from "./report.js";
import { dialog, textInput, toast } from "./widgets.js";

export const loadViews = async () => (await get("/console/views")).views;
export const storeViews = (views) => replace("/console/views", { views });

export const newViewId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

/** Ask for a name and keep the view. */
export function saveView(page, state) {
  const name = textInput(t("名称|Name"), "", () => {}, { maxlength: 100, required: true, autofocus: true });
  const board = textInput(t("看板（可不填）|Board (may stay empty)"), "", () => {}, { maxlength: 100, list: "boards-known" });
  const boards = h("datalist", { id: "boards-known" });
  loadViews().then(
    (views) => put(boards, [...new Set(views.map((v) => v.board).filter(Boolean))].map((name_) => h("option", { value: name_ }))),
    () => put(boards), // Only a help: any name may be typed.
  );
  const fault = h("div");
  const box = dialog(
    t("保存视图|Save this view"),
    h(
      "form",
      {
        class: "form",
        onSubmit: async (event) => {
          event.preventDefault();
          try {
            const views = await loadViews();
            views.push({
              view_id: newViewId(),
              name: name.querySelector("input").value.trim(),
              page,
              state: writeState(state),
              board: board.querySelector("input").value.trim(),
              saved_at: Date.now(),
            });
            await storeViews(views);
            box.close();
            toast(t("已保存，可在“看板”打开|Saved: see Boards"));
          } catch (error) {
            put(fault, errorNotice(error));
          }
        },
      },
      name,
      board,
      boards,
      fault,
      h("button", { type: "submit", class: "button primary" }, t("保存|Save")),
    ),
  );
}
