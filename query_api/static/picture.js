// A part of the page as a PNG, as it is seen: title, figures, charts, tables, freshness. Drawn by the browser itself, from an SVG.

import { isDark } from "./charts.js";
import { h, svg } from "./dom.js";
import { download } from "./widgets.js";

const SCALE = 2;
/** Sides of a canvas beyond this stay empty in some browsers. */
const MOST_PIXELS = 16_000;

/** Save an element as PNG. Charts stand in it as they are drawn now. */
export async function savePicture(element, name) {
  const wide = [...element.querySelectorAll(".table-holder")].map((holder) => holder.scrollWidth - holder.clientWidth);
  const width = Math.ceil(element.offsetWidth + Math.max(0, ...wide));
  const height = Math.ceil(element.offsetHeight);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(inXml(await drawing(element, width, height)))}`;
  await image.decode();
  const scale = Math.min(SCALE, MOST_PIXELS / Math.max(width, height));
  const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.drawImage(image, 0, 0);
  const bytes = await new Promise((done) => canvas.toBlob(done, "image/png"));
  download(`${name}.png`, bytes);
}

/** The element with all its styles as an SVG, which needs nothing from outside. */
async function drawing(element, width, height) {
  const copy = element.cloneNode(true);
  for (const tool of copy.querySelectorAll(".panel-actions, .for-whom, .table-more")) tool.remove();
  const charts = await Promise.all([...element.querySelectorAll(".chart")].map((box) => box.chart));
  for (const [i, box] of [...copy.querySelectorAll(".chart")].entries()) {
    box.replaceChildren(h("img", { src: charts[i].getDataURL({ pixelRatio: SCALE }), width: charts[i].getWidth(), height: charts[i].getHeight(), alt: "" }));
  }
  for (const holder of copy.querySelectorAll(".table-holder")) holder.style.setProperty("overflow", "visible");
  copy.style.setProperty("width", `${width}px`);
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText));
  return svg(
    "svg",
    { width, height, lang: document.documentElement.lang, dataset: { theme: isDark() ? "dark" : "light" } },
    svg("style", {}, rules.join("\n")),
    svg("foreignObject", { width: "100%", height: "100%" }, h("body", {}, copy)),
  );
}

/** Without the characters that no XML may hold. */
const inXml = (element) => new XMLSerializer().serializeToString(element).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd").toWellFormed();
