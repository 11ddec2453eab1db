// What people declare themselves, a health model or a tree of layers: chosen among the shipped, the saved and one's own, and edited.

import { ask, lastAnswer } from "./api.js";
import { h, put } from "./dom.js";
import { errorLine } from "./errors.js";
import { t } from "./i18n.js";
import { placeOf } from "./json_place.js";
import { labelled } from "./parts.js";
import { errorNotice } from "./report.js";
import { loadViews, saveView } from "./saved.js";
import { parseState, readAddress } from "./state.js";
import { button, download, notice, select, toast } from "./widgets.js";

const OWN = "own";
const isOwn = (given) => typeof given === "object" && given !== null;

/** A field that is not there says the same; without these an answer's declaration is as short as people write it. */
const withoutDefaults = (value) =>
  Array.isArray(value)
    ? value.map(withoutDefaults)
    : isOwn(value)
      ? Object.fromEntries(
          Object.entries(value)
            .filter(([key, one]) => one !== null && !(key === "title" && one === "") && !(key === "unit" && one === "") && !(key === "if_missing" && one === "zero"))
            .map(([key, one]) => [key, withoutDefaults(one)]),
        )
      : value;

/** Indented JSON with lists of plain values on one line: points of a scale read as pairs. A text has no line break in it. */
const written = (value) => JSON.stringify(value, null, 2).replace(/\[\n[^[\]{}]*?\n\s*\]/g, (list) => list.replace(/\n\s*/g, " ").replace("[ ", "[").replace(" ]", "]"));

/**
 * Choose what is declared. title: of the field; key: of the state, which has an object where it is one's own; page: whose
 * saved views may hold one; shipped: [name, title] pairs, the first holds where nothing is chosen; choose(what, or
 * undefined for that first); begin(): what one's own begins with, or a promise of it.
 */
export function declaredField({ title, key, page, shipped, given, choose, begin }) {
  const saved = new Map();
  const place = h("div", { class: "field" });
  const own = t("自己写的|one's own");

  async function change(value) {
    if (saved.has(value)) choose(saved.get(value).declared);
    else if (value !== OWN) choose(value === shipped[0][0] ? undefined : value);
    else {
      try {
        choose(await begin());
      } catch (error) {
        toast(errorLine(error), "error");
        show();
      }
    }
  }
  function show() {
    const options = [...shipped.map(([name, text]) => [name, t(text)]), [OWN, isOwn(given) && given.name ? `${own}: ${given.name}` : own], ...[...saved].map(([id, { name }]) => [id, t("已保存：{name}|saved: {name}", { name })])];
    put(place, select(title, options, isOwn(given) ? OWN : (given ?? shipped[0][0]), change));
  }
  show();
  loadViews().then(
    (views) => {
      for (const view of views) {
        const declared = view.page === page && parseState(view.state)[key];
        if (isOwn(declared)) saved.set(view.view_id, { name: view.name, declared });
      }
      if (saved.size && !place.contains(document.activeElement)) show();
    },
    () => {}, // Those shipped and one's own can be chosen all the same.
  );
  return place;
}

/** What an answer says was declared, to go on from. name: what one's own is called. */
export async function declaredIn(report, body, key, name) {
  const { semantics } = lastAnswer(report, body)?.answer ?? (await ask(report, body));
  return { ...withoutDefaults(semantics[key]), name, version: 1 };
}

/**
 * Edit what is declared. It is asked before it is taken over: what the server does not accept stays here, with the field
 * that is wrong and why, and its place in the text is selected.
 *
 * report, bodyOf(declared): the question; key: of the declaration in it; explain: how it is written; take(declared).
 */
export function declaredEditor({ title, explain, key, page, report, given, bodyOf, take }) {
  const text = h("textarea", { class: "input code", rows: 18, spellcheck: "false", "aria-label": title });
  text.value = written(given);
  const fault = h("div", { "aria-live": "polite" });
  const apply = button(t("检查并应用|Check and apply"), run, { class: "button primary" });
  const file = h("input", { type: "file", accept: "application/json,.json", class: "visually-hidden", tabindex: "-1", "aria-label": t("JSON 文件|JSON file") });

  function point({ start, end }) {
    const line = text.value.slice(0, start).split("\n").length;
    text.focus();
    text.setSelectionRange(start, end);
    text.scrollTop = Math.max(0, (line - 4) * Number.parseFloat(getComputedStyle(text).lineHeight));
    return line;
  }
  async function run() {
    put(fault);
    let declared = null;
    try {
      declared = JSON.parse(text.value);
    } catch (error) {
      put(fault, notice("error", t("不是 JSON|Not JSON"), error.message));
      return;
    }
    apply.disabled = true;
    try {
      await ask(report, bodyOf(declared));
      take(declared);
      toast(t("已应用|Applied"));
    } catch (error) {
      const own = error.code === "invalid_request" && error.path?.startsWith(`$.${key}`) ? `$${error.path.slice(key.length + 2)}` : null;
      if (own === null) put(fault, errorNotice(error));
      else {
        const line = point(placeOf(text.value, own));
        put(fault, notice("error", t("第 {n} 行的 {field} 写错了|Line {n}, {field}: this cannot be", { n: line, field: own }), error.message));
      }
    } finally {
      apply.disabled = false;
    }
  }
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    text.value = await chosen.text();
    file.value = "";
    await run();
  });
  return h(
    "div",
    { class: "page-stack" },
    labelled(explain, text),
    fault,
    h(
      "div",
      { class: "row" },
      apply,
      button(t("读入文件|Read a file"), () => file.click()),
      button(t("下载 JSON|Download JSON"), () => download(`scenetrail-${report}-${given.name ?? key}.json`, new Blob([`${text.value}\n`], { type: "application/json" }))),
      button(t("保存为视图|Save as a view"), () => saveView(page, readAddress().state), { class: "button ghost" }),
      file,
    ),
    h("p", { class: "legend" }, t("应用后写进本页地址，复制链接或保存视图后，别人打开看到的是同一份；保存过的会出现在上面的选择里。|Once applied it stands in the address: a copied link or a saved view has it, and those saved can be chosen above.")),
  );
}
