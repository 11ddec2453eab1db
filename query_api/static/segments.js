// Stored segments: their list, asked once, and the picker that restricts a view to one of them.

import { get } from "./api.js";
import { h, put } from "./dom.js";
import { t } from "./i18n.js";
import { combobox } from "./pickers.js";

let asked = null;

/** The stored segments of the project: asked once, again after a change. */
export function loadSegments(refresh = false) {
  if (!asked || refresh) {
    asked = get("/v1/segments").then((answer) => answer.result.segments);
    asked.catch(() => {
      asked = null;
    });
  }
  return asked;
}

/** "seg_…@2026-10-31" as its two parts. */
export function partsOf(name) {
  const [id, day = ""] = name.split("@");
  return { id, day };
}

/** The name of "seg_…" or "seg_…@<day>", filled in when it is known. */
export function segmentName(name) {
  const { id, day } = partsOf(name);
  const face = h("span", {}, name);
  loadSegments().then(
    (list) => {
      const found = list.find((one) => one.segment_id === id);
      if (found) put(face, found.name, day ? ` @ ${day}` : "");
    },
    () => put(face, name),
  );
  return face;
}

/** Choose a stored segment. none: what "no segment" is called; "" where one must be chosen. */
export function segmentPicker(label, chosen, onChoose, { none = "", face } = {}) {
  return combobox(
    label,
    chosen ? segmentName(chosen) : face || none || t("选择分群|Choose a segment"),
    async () => {
      const list = await loadSegments();
      return [...(none ? [{ value: "", title: none }] : []), ...list.map((one) => ({ value: one.segment_id, title: one.name, hint: one.segment_id }))];
    },
    onChoose,
  );
}
