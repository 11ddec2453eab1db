// Controls that every page uses: fields, buttons, pop-overs, dialogs, tables. Each is labelled and works by keyboard.

import { h, icon, put, uid } from "./dom.js";
import { NONE } from "./format.js";
import { t } from "./i18n.js";
import { changeEntry, inView, view } from "./state.js";

export function button(text, onClick, props = {}) {
  const { icon: name, ...rest } = props;
  return h("button", { type: "button", class: "button", ...rest, onClick }, name ? icon(name) : null, text);
}

export function iconButton(name, label, onClick, props = {}) {
  return h("button", { type: "button", class: "icon-button", title: label, "aria-label": label, ...props, onClick }, icon(name));
}

/** A labelled field. `hidden`: the label is for screen readers only. */
export function field(label, control, { hidden = false } = {}) {
  const id = control.id || uid("field");
  control.id = id;
  return h("div", { class: "field" }, h("label", { for: id, class: hidden ? "visually-hidden" : "label" }, label), control);
}

/** Options: [value, text] pairs. */
export function select(label, options, value, onChange, { hidden = false } = {}) {
  const control = h(
    "select",
    { class: "input", onChange: () => onChange(control.value) },
    options.map(([v, text]) => h("option", { value: v, selected: String(v) === String(value) }, text)),
  );
  return field(label, control, { hidden });
}

/** A few choices side by side. */
export function segmented(label, options, value, onChange) {
  const name = uid("choice");
  return h(
    "fieldset",
    { class: "segmented" },
    h("legend", { class: "visually-hidden" }, label),
    options.map(([v, text]) => {
      const id = uid("option");
      return [
        h("input", { type: "radio", name, id, value: v, checked: v === value, class: "visually-hidden", onChange: () => onChange(v) }),
        h("label", { for: id }, text),
      ];
    }),
  );
}

export function check(label, value, onChange) {
  const input = h("input", { type: "checkbox", checked: value, onChange: () => onChange(input.checked) });
  return h("label", { class: "check" }, input, label);
}

export function textInput(label, value, onChange, props = {}) {
  const { hidden = false, ...rest } = props;
  const control = h("input", { class: "input", type: "text", value: value ?? "", autocomplete: "off", ...rest, onChange: () => onChange(control.value) });
  return field(label, control, { hidden });
}

// --- Pop-overs --------------------------------------------------------------

/** A button that opens a panel under it. content(close) is made anew at each opening. */
export function popover(face, label, content, props = {}) {
  const panel = h("div", { popover: "auto", class: `popover ${props.panelClass ?? ""}`, role: "dialog", "aria-label": label });
  const opener = h(
    "button",
    { type: "button", class: props.class ?? "button", "aria-haspopup": "dialog", "aria-expanded": "false", title: props.title, "aria-label": props.ariaLabel },
    face,
  );
  const close = () => {
    panel.hidePopover();
    opener.focus();
  };
  opener.addEventListener("click", () => {
    if (panel.matches(":popover-open")) return close();
    put(panel, content(close));
    panel.showPopover();
    place(panel, opener);
    (panel.querySelector("[autofocus]") ?? panel.querySelector("input, select, button"))?.focus();
    return undefined;
  });
  panel.addEventListener("toggle", (event) => {
    opener.setAttribute("aria-expanded", String(event.newState === "open"));
  });
  return h("span", { class: "popover-holder" }, opener, panel);
}

function place(panel, opener) {
  const at = opener.getBoundingClientRect();
  const size = panel.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  const below = at.bottom + 6 + size.height <= innerHeight || at.top < innerHeight / 2;
  panel.style.left = `${left}px`;
  panel.style.top = below ? `${at.bottom + 6}px` : `${Math.max(8, at.top - size.height - 6)}px`;
  panel.style.maxHeight = `${below ? innerHeight - at.bottom - 16 : at.top - 16}px`;
}

/** A menu: items [text, onClick]. */
export function menu(label, items) {
  return popover(
    icon("more"),
    label,
    (close) =>
      h(
        "div",
        { class: "menu" },
        items.filter(Boolean).map(([text, onClick]) =>
          h(
            "button",
            {
              type: "button",
              class: "menu-item",
              onClick: () => {
                close();
                onClick();
              },
            },
            text,
          ),
        ),
      ),
    { class: "icon-button", title: label, ariaLabel: label },
  );
}

/** A dialog over the page; returns it. Esc, the button and a click beside it `leave()` it: close it, unless that is set to something else. Focus goes back. */
export function dialog(title, ...content) {
  const id = uid("dialog");
  const box = h(
    "dialog",
    { class: "dialog", "aria-labelledby": id },
    h(
      "div",
      { class: "dialog-head" },
      h("h2", { id }, title),
      iconButton("close", t("关闭|Close"), () => box.leave()),
    ),
    h("div", { class: "dialog-body" }, ...content),
  );
  box.leave = () => box.close();
  box.addEventListener("close", () => box.remove());
  box.addEventListener("cancel", (event) => {
    if (event.target !== box) return; // a file that was not chosen
    event.preventDefault();
    box.leave();
  });
  box.addEventListener("click", (event) => {
    if (event.target === box) box.leave();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

let toasts = null;

/** A short message that goes away; screen readers hear it. */
export function toast(text, kind = "") {
  toasts ??= document.body.appendChild(h("div", { class: "toasts", role: "status", "aria-live": "polite" }));
  const note = h("div", { class: `toast ${kind}` }, text);
  toasts.append(note);
  setTimeout(() => note.remove(), 8000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("已复制|Copied"));
  } catch {
    dialog(t("复制这段文字|Copy this text"), h("textarea", { class: "input code", rows: 12, readonly: true, "aria-label": t("文字|Text") }, text));
  }
}

export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * A part that can be folded away. The address keeps whether it is, where it is not as at first.
 *
 * name: the fold's in the address. opened(): it was opened.
 */
export function fold(name, summary, content, { open = false, class: className = "more-options", opened } = {}) {
  const here = view();
  const box = h("details", { class: className, open: here.state.folds?.[name] ?? open, dataset: { fold: name } }, h("summary", {}, summary), content);
  box.addEventListener("toggle", () => {
    if (!box.isConnected) return;
    const kept = here.state.folds?.[name];
    if (box.open !== (kept ?? open)) changeEntry(here, "folds", name, box.open === open ? undefined : box.open);
    if (box.open) inView(here, () => opened?.());
  });
  return box;
}

// --- Tables -----------------------------------------------------------------

/** What the place of a table is called to those who hear the page: the part around it often has the same title. */
export const tableLabel = (caption) => t("{caption}（表格）|{caption} (table)", { caption });

/** "-users" as {name, down}: how the address says by which column a table is sorted. */
const orderOf = (text) => (text.startsWith("-") ? { name: text.slice(1), down: true } : { name: text, down: false });
const orderText = (by) => (by ? `${by.down ? "-" : ""}${by.name}` : "");

/**
 * A table that sorts by a click on its heads. The address keeps its order, and whether all rows are shown.
 *
 * columns: {name, title, cell(row) -> node or text, value(row) -> what sorts, number: right-aligned, sort: false}
 * name: the table's in the address; on a page each has its own.
 */
export function table(caption, columns, rows, { name = columns[0].name, sorted = null, limit = 200, rowClass } = {}) {
  const here = view();
  const asked = here.state.sort?.[name];
  const isSortable = (column) => column.sort !== false && Boolean(column.value);
  let by = typeof asked === "string" && columns.some((c) => isSortable(c) && c.name === orderOf(asked).name) ? orderOf(asked) : sorted;
  let all = here.state.all?.[name] === true;
  const body = h("tbody");
  const heads = columns.map((column) => {
    const cell = h("th", { scope: "col", class: column.number ? "number" : "" });
    if (!isSortable(column)) put(cell, column.title);
    else {
      put(
        cell,
        h(
          "button",
          {
            type: "button",
            class: "sort",
            onClick: () => {
              by = by?.name === column.name ? { name: column.name, down: !by.down } : { name: column.name, down: Boolean(column.number) };
              changeEntry(here, "sort", name, orderText(by) === orderText(sorted) ? undefined : orderText(by), { isStep: true });
              inView(here, show);
            },
          },
          column.title,
          h("span", { class: "sort-mark", "aria-hidden": "true" }),
        ),
      );
    }
    return cell;
  });
  const foot = h("div", { class: "table-more" });
  function ordered() {
    if (!by) return rows;
    const column = columns.find((c) => c.name === by.name);
    const order = (a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (x === y) return 0;
      if (x === null || x === undefined) return -1;
      if (y === null || y === undefined) return 1;
      return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "zh-Hans-CN");
    };
    return [...rows].sort((a, b) => (by.down ? order(b, a) : order(a, b)));
  }
  function show() {
    const list = ordered();
    columns.forEach((column, i) => {
      if (by?.name === column.name) heads[i].setAttribute("aria-sort", by.down ? "descending" : "ascending");
      else heads[i].removeAttribute("aria-sort");
    });
    put(
      body,
      (all ? list : list.slice(0, limit)).map((row) =>
        h(
          "tr",
          { class: rowClass?.(row) },
          columns.map((column, i) =>
            h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: column.number ? "number" : "" }, column.cell(row)),
          ),
        ),
      ),
    );
    put(
      foot,
      !all && list.length > limit
        ? button(t("显示全部 {n} 行|Show all {n} rows", { n: list.length }), () => {
            all = true;
            changeEntry(here, "all", name, true);
            inView(here, show);
          })
        : null,
    );
  }
  show();
  const holder = h(
    "div",
    { class: "table-holder", tabindex: "0", role: "region", "aria-label": tableLabel(caption), dataset: { table: name } },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body),
    foot,
  );
  // All rows as texts, in their order here.
  holder.lines = () => inView(here, () => [columns.map((c) => textOf(c.title)), ...ordered().map((row) => columns.map((c) => textOf(c.cell(row))))]);
  return holder;
}

const textOf = (...content) => h("span", {}, ...content).textContent.trim();

/** The rows of a table that is not made by `table`, as texts. */
export const linesOf = (place) => [...place.querySelectorAll("tr")].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));

/** A number one can click to see its users; `share`: what part of a whole they are, said beside it. Where no number is known there is nobody to see. */
export function usersLink(text, onClick, share = "") {
  if (text === NONE) return text;
  const said = [text, share].filter(Boolean).join(" ");
  return h("button", { type: "button", class: "users-link", onClick, "aria-label": `${said}, ${t("查看用户|show users")}`, title: t("查看用户|Show users") }, text, share ? h("span", { class: "muted" }, ` ${share}`) : null);
}

export function notice(kind, title, detail, ...actions) {
  return h(
    "div",
    { class: `notice ${kind}`, role: kind === "error" ? "alert" : null },
    h("p", { class: "notice-title" }, title),
    detail ? h("p", {}, detail) : null,
    actions.some(Boolean) ? h("div", { class: "notice-actions" }, ...actions) : null,
  );
}
