// Asking the server. Answers are kept for the tab: a view asked again shows at once what it showed last, then refreshes.

const KEEP = 60;
const KEPT = "scenetrail.answers";
const KEEP_CHARS = 1_500_000;

/** A refusal or failure, in the server's words. status 0: the server was not reached. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message ?? "");
    this.status = status;
    this.code = body?.error ?? "unreachable";
    this.path = body?.path ?? "";
    this.requestId = body?.request_id ?? "";
  }
}

async function send(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, null);
  }
  if (!response.ok) {
    let body = null;
    try {
      body = await response.json();
    } catch {
      body = { message: response.statusText };
    }
    if (response.status === 401) window.dispatchEvent(new Event("signed-out"));
    throw new ApiError(response.status, body);
  }
  return response;
}

export async function get(path, signal) {
  return (await send(path, { signal })).json();
}

function withBody(method, body, headers = {}) {
  return {
    method,
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: JSON.stringify(body),
  };
}

export async function post(path, body, signal, headers) {
  return (await send(path, { ...withBody("POST", body, headers), signal })).json();
}

/** POST a JSON text as it stands, with further headers. */
export async function postText(path, text, headers) {
  return (await send(path, { ...withBody("POST", null, headers), body: text })).json();
}

export async function replace(path, body) {
  return (await send(path, withBody("PUT", body))).json();
}

export async function remove(path) {
  return (await send(path, { method: "DELETE" })).json();
}

/** The CSV of a report, as a file's bytes. */
export async function csv(report, body) {
  return (await send(`/v1/query/${report}`, withBody("POST", body, { Accept: "text/csv" }))).blob();
}

/** Users of whom one answer says who they are. */
export const SLICE = 10_000;

/** The CSV of a list of users, whole: asked in slices, of which each comes as text, with the head line in the first. */
export async function* csvSlices(report, body, signal) {
  for (let after; ; ) {
    const asked = { ...body, limit: SLICE, ...(after ? { after } : {}) };
    const response = await send(`/v1/query/${report}`, { ...withBody("POST", asked, { Accept: "text/csv" }), signal });
    const text = await response.text();
    yield after ? text.slice(text.indexOf("\n") + 1) : text;
    if (response.headers.get("X-Truncated") !== "true") return;
    [after] = text.trimEnd().split("\n").at(-1).split(","); // the key of a user has no comma in it
  }
}

// --- Kept answers ----------------------------------------------------------

const kept = new Map();
try {
  for (const [key, value] of JSON.parse(sessionStorage.getItem(KEPT) ?? "[]")) kept.set(key, value);
} catch {
  sessionStorage.removeItem(KEPT);
}

const keyOf = (report, body) => `${report} ${JSON.stringify(body)}`;

/** What this question was answered last: {answer, at}, or undefined. */
export function lastAnswer(report, body) {
  return kept.get(keyOf(report, body));
}

/** An id to look after a question with. */
export function newQueryId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How far the question with an id has come: {rows_read, rows_to_read}; null where the server may not look, 0 before and after. */
export function progressOf(queryId, signal) {
  return get(`/console/progress/${queryId}`, signal);
}

/** Ask a report. The answer is kept. queryId: to look after it, if one will. */
export async function ask(report, body, signal, queryId) {
  const answer = await post(`/v1/query/${report}`, body, signal, queryId && { "X-Query-Id": queryId });
  const key = keyOf(report, body);
  kept.delete(key);
  kept.set(key, { answer, at: Date.now() });
  while (kept.size > KEEP) kept.delete(kept.keys().next().value);
  return answer;
}

window.addEventListener("pagehide", () => {
  const rows = [];
  let size = 0;
  for (const pair of [...kept].reverse()) {
    size += JSON.stringify(pair).length;
    if (size > KEEP_CHARS) break;
    rows.unshift(pair);
  }
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(rows));
  } catch {
    sessionStorage.removeItem(KEPT); // No room: the next visit asks again.
  }
});

/** Forget every answer: at sign-out. */
export function forget() {
  kept.clear();
  sessionStorage.removeItem(KEPT);
}

// --- Event schema ----------------------------------------------------------

let schemaAsked = null;

/** Event names and properties seen: asked once for the page. */
export function schema(refresh = false) {
  if (!schemaAsked || refresh) {
    schemaAsked = get("/v1/events/schema").then((answer) => answer.result.events);
    schemaAsked.catch(() => {
      schemaAsked = null;
    });
  }
  return schemaAsked;
}

/** Values that a field had most often, with the number of events. */
export async function valuesOf(field, event, common, signal) {
  const answer = await ask(
    "events",
    {
      ...common,
      measures: [{ ...(event ? { event } : {}), aggregate: "count" }],
      interval: null,
      breakdown: [field],
      breakdown_limit: 100,
    },
    signal,
  );
  return answer.result.series
    .filter((line) => !line.other && line.breakdown[field] !== null)
    .map((line) => ({ value: line.breakdown[field], count: line.total.A }));
}
