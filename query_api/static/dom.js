// Elements from plain calls. Text is always a text node: nothing here, or anywhere in the page, turns text into HTML.

/**
 * Make an element. props: `class`, `on<Event>` handlers, `style` (object), `dataset` (object), properties of the element,
 * else attributes; null, undefined and false are left out. children: nodes, texts, numbers, arrays; null is left out.
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Put these in place of what an element holds. */
export function put(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

let lastId = 0;

/** A fresh id, to tie labels to fields. */
export function uid(prefix = "id") {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

const PATHS = {
  menu: "M3 6h18M3 12h18M3 18h18",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  down: "M6 9l6 6 6-6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  events: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7",
  funnel: "M4 5h16l-6 8v5l-4 2v-7z",
  retention: "M4 4h4v4H4zM10 4h4v4h-4zM16 4h4v4h-4zM4 10h4v4H4zM10 10h4v4h-4zM4 16h4v4H4z",
  paths: "M4 6c8 0 8 12 16 12M4 12h16M4 18c8 0 8-12 16-12",
  scenes: "M4 4h9v16H4zM15 4h5v7h-5zM15 13h5v7h-5z",
  share: "M18 8a3 3 0 1 0-3-3M6 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM18 22a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8.6 13.5l6.8 4M15.4 6.5l-6.8 4",
  lifecycle: "M20 12a8 8 0 1 1-2.3-5.6M20 3v5h-5",
  sessions: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  people: "M16 20v-1a4 4 0 0 0-8 0v1M12 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  segments: "M12 12V3a9 9 0 1 1-9 9zM9 3.5A9 9 0 0 0 3.5 9H9z",
  layers: "M12 3l9 5-9 5-9-5zM3 13l9 5 9-5",
  attribution: "M5 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM5 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM19 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 7l10 4M7 17l10-4",
  exchange: "M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4",
  recall: "M4 5h16v11H9l-5 4zM8 9h8M8 12h5",
  health: "M3 12h4l3-7 4 14 3-7h4",
  ltv: "M4 19h16M5 15c5 0 6-9 14-9M15 6h4v4",
  sql: "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
  live: "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7.8 16.2a6 6 0 0 1 0-8.4M16.2 7.8a6 6 0 0 1 0 8.4M5 19a10 10 0 0 1 0-14M19 5a10 10 0 0 1 0 14",
  quality: "M12 3l8 3v6c0 5-3.5 8-8 9-4.500-1-8-4-8-9V6zM9 12l2 2 4-4",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  boards: "M5 4h14v17l-7-4-7 4z",
  report: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5",
  calendar: "M4 6h16v15H4zM4 10h16M8 3v5M16 3v5",
};

/** A line icon; decoration only, so hidden from screen readers. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] ?? PATHS.report }),
  );
}
