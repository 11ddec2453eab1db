// The frame of a page that asks one report: controls, asking with cancel, the answer with its definition and freshness.

import { ApiError, ask, csv, csvSlices, get, lastAnswer, newQueryId, progressOf } from "./api.js";
import { loadCharts } from "./charts.js";
import { csvBlob } from "./csv.js";
import { definition } from "./definition.js";
import { h, icon, put } from "./dom.js";
import { errorLine, errorTexts } from "./errors.js";
import { countConditions, filterBuilder, forApi } from "./filters.js";
import { keepFocus } from "./focus.js";
import { duration, instant, number } from "./format.js";
import { language, t } from "./i18n.js";
import { savePicture } from "./picture.js";
import { segmentPicker } from "./segments.js";
import { addressOf, days, inView, readAddress, startOf, view, zone } from "./state.js";
import { button, copy, dialog, download, fold, menu, notice, select, toast } from "./widgets.js";

/** What every report takes, from the shared part of a page's state. */
export function common(state) {
  const { from, to } = days(state.range);
  const filter = forApi(state.filter);
  return {
    ...(state.apps?.length ? { app_ids: state.apps } : {}),
    time_range: { from, to },
    timezone: zone(),
    ...(filter ? { filter } : {}),
    ...(state.segment ? { segment: state.segment } : {}),
    ...known(state),
  };
}

/** Of which day's knowledge, and whether a part of a cluster is enough. */
export const known = (state) => ({ ...(state.as_of ? { as_of: state.as_of } : {}), ...(state.partial ? { partial: true } : {}) });

/** The same without filter and segment: to look for values. */
export function wholeRange(state) {
  const { filter: _, segment: __, ...rest } = common(state);
  return rest;
}

/** Index of the first point whose period may still get events: it has not ended by the newest arrival. */
export function partialFrom(labels, answer) {
  const until = Date.parse(answer.meta.data_complete_until ?? "");
  if (Number.isNaN(until) || labels.length === 0) return labels.length;
  const last = startOf(labels[labels.length - 1]);
  const before = labels.length > 1 ? last - startOf(labels[labels.length - 2]) : DAY_MS;
  // The last is as long as the one before; months and quarters as long as there are, so that none counts as ended too early.
  let end = last + (before < 28 * DAY_MS ? before : (before < 32 * DAY_MS ? 31 : 92) * DAY_MS);
  let index = labels.length;
  while (index > 0 && until < end) {
    index -= 1;
    end = startOf(labels[index]);
  }
  return index;
}

/** What is said of a part to those who hear the page: that it is asked and answered. The answer itself would be read out whole. */
const status = () => h("p", { class: "visually-hidden", role: "status" });
const isAsked = (title) => t("{title}：正在查询|{title}: querying", { title });
const isHere = (title) => t("{title}：已显示|{title}: shown", { title });

const DAY_MS = 86_400_000;
const WAIT_MS = 350;
/** A question that takes longer is looked after: those of a page that opens have the server for themselves. */
const LONG_MS = 2_000;

/**
 * A part of a page that shows the answer to one question.
 *
 * report, body: the question (body null: nothing to ask yet, `incomplete` says what is missing).
 * after: a promise; this question waits for it, so that what is read first is answered first. The element's `answered` is one.
 * isUsers: the report lists users of whom the page shows some; its CSV has all.
 * render(answer): nodes. isEmpty(answer), emptyAction: what one can do then. title, name: of the card and its files. isList: false where a cut list matters not.
 */
export function panel({ title, report, body, render, isEmpty, incomplete, name = report, actions = [], wide = false, isList = true, isUsers = false, emptyAction = null, after = null }) {
  const here = view();
  const content = h("div", { class: "panel-content" });
  const said = status();
  const tools = h("div", { class: "panel-tools" });
  const foot = h("div", { class: "panel-foot" });
  const card = h(
    "section",
    { class: `panel ${wide ? "wide" : ""}`, "aria-label": title },
    h("div", { class: "panel-head" }, h("h2", {}, title), h("div", { class: "panel-actions" }, ...actions, tools)),
    said,
    content,
    foot,
  );
  card.dataset.report = report;
  let controller = null;

  const show = (answer, isOld) => inView(here, () => draw(answer, isOld));

  function draw(answer, isOld) {
    const restore = keepFocus(card);
    card.dataset.state = isOld ? "old" : "done";
    if (isEmpty?.(answer)) put(content, emptyNotice(answer.meta, body, emptyAction));
    else put(content, render(answer));
    const missing = missingNotice(answer.meta, () => go({ partial: undefined }));
    if (missing) content.prepend(missing);
    put(foot, footOf(name, answer, isOld, isList));
    restore();
    if (!isOld) put(said, isHere(title));
  }

  async function run({ fresh = false } = {}) {
    controller?.abort();
    const restore = keepFocus(card);
    put(tools);
    if (body === null) {
      card.dataset.state = "incomplete";
      put(content, notice("empty", incomplete ?? t("还缺少条件|Something is missing")));
      return;
    }
    put(tools, toolsOf({ report, body, name, card, isUsers, again: () => run({ fresh: true }) }));
    restore();
    const before = fresh ? undefined : lastAnswer(report, body);
    if (!before) card.dataset.state = "loading";
    controller = new AbortController();
    const mine = controller;
    const queryId = newQueryId();
    const waiting = before
      ? null
      : setTimeout(() => {
          put(said, isAsked(title));
          put(content, h("div", { class: "loading" }, progress(queryId, mine.signal), button(t("取消|Cancel"), () => mine.abort("cancel"))));
        }, WAIT_MS);
    try {
      if (before) {
        show(before.answer, true);
        if (Date.now() - before.at < 5000) return show(before.answer, false);
      }
      await Promise.allSettled([after]);
      mine.signal.throwIfAborted();
      const asked = ask(report, body, mine.signal, queryId);
      loadCharts().catch(() => {}); // A chart that needs it says so.
      const answer = await asked;
      if (mine === controller) show(answer, false);
    } catch (error) {
      if (mine !== controller) return undefined;
      if (mine.signal.aborted) {
        card.dataset.state = "cancelled";
        if (mine.signal.reason === "cancel") put(content, notice("empty", t("已取消|Cancelled"), "", button(t("重新查询|Ask again"), () => run({ fresh: true }))));
      } else {
        card.dataset.state = "error";
        put(content, errorNotice(error, () => run({ fresh: true }), { partly: body.partial ? null : () => go({ partial: true }) }));
      }
    } finally {
      clearTimeout(waiting);
    }
    return undefined;
  }

  card.stop = () => controller?.abort("gone");
  card.again = () => run({ fresh: true });
  card.answered = run();
  return card;
}

const progressBar = () => h("div", { class: "progress", role: "progressbar", "aria-label": t("正在查询|Querying") });

/** How long a question takes, and how far its present step is: a question has several, and each begins anew. */
function progress(queryId, signal) {
  const began = Date.now();
  const elapsed = h("span", {}, "");
  const read = h("p", { class: "small" });
  const bar = progressBar();
  const ticking = setInterval(() => (bar.isConnected ? put(elapsed, duration(Math.round((Date.now() - began) / 1000) * 1000)) : clearInterval(ticking)), 500);
  async function follow() {
    if (!bar.isConnected) return;
    const { rows_read: rows, rows_to_read: all } = await progressOf(queryId, signal).catch(() => ({}));
    bar.classList.toggle("known", Boolean(all));
    if (all) {
      const done = Math.round((100 * rows) / all);
      bar.style.setProperty("--done", `${done}%`);
      bar.setAttribute("aria-valuenow", done);
      put(read, t("这一步已读 {rows} 行，共约 {all} 行|This step has read {rows} of about {all} rows", { rows: number(rows), all: number(all) }));
    } else {
      bar.removeAttribute("aria-valuenow");
      put(read);
    }
    setTimeout(follow, 1000);
  }
  setTimeout(follow, LONG_MS);
  return [bar, h("p", {}, t("正在查询|Querying"), " ", elapsed), read];
}

/** That an answer says nothing: of this range, as of that day, or because no event has come yet. action: what else one can do. */
function emptyNotice({ data_complete_until: newest }, { as_of: asOf }, action) {
  const [title, hint] = asOf
    ? [t("这段时间没有符合条件的数据|Nothing in this range"), t("到那一天结束时，这段时间的事件还没有到达。|By the end of that day no events of this range had arrived.")]
    : newest
      ? [t("这段时间没有符合条件的数据|Nothing in this range"), t("放宽时间范围或筛选条件，或在“实时”查看事件是否到达。|Widen the range or the filter, or look at Live whether events arrive.")]
      : [t("还没有收到任何事件|No event has arrived yet"), t("接入 SDK 或向采集地址发送第一个事件后，“实时”会在两秒内显示它。|Once the SDK or a program sends a first event to the collector, Live shows it within two seconds.")];
  return notice("empty", title, hint, action, h("a", { class: "button", href: addressOf("live") }, t("打开实时|Open Live")));
}

/** What went wrong, and what one can do; the server's own words below. partly: asks what the other shards know. */
export function errorNotice(error, again, { partly = null } = {}) {
  const isWrong = error.code === "invalid_request" || !(error instanceof ApiError);
  const retry = again && error.code !== "invalid_request" ? button(t("重试|Try again"), again) : null;
  const clear = again && isWrong ? h("a", { class: "button", href: addressOf(readAddress().page) }, t("清除这个页面的条件|Clear this page's conditions")) : null;
  if (!(error instanceof ApiError)) return notice("error", t("页面出错|A fault of the page"), [t("也许地址里的条件写错了。|Perhaps the conditions in the address are wrong."), h("br"), h("span", { class: "small error-detail" }, String(error.message ?? error))], retry, clear);
  const { title, hint } = errorTexts(error.code);
  const words = [error.path ? h("code", {}, error.path) : null, error.message, error.requestId ? `${t("请求编号|request id")} ${error.requestId}` : null].filter(Boolean);
  const detail = words.length ? h("span", { class: "small error-detail" }, words.flatMap((one, i) => (i ? [" · ", one] : [one]))) : null;
  const less = partly && error.code === "storage_unavailable" ? button(t("只看能读到的部分|Show what can be read"), partly) : null;
  return notice("error", title, [hint, hint && detail ? h("br") : null, detail], retry, less, clear);
}

/** That shards of the cluster did not answer: their events are missing from every number of this answer. */
export function missingNotice({ missing_shards: missing }, whole = null) {
  if (!missing?.length) return null;
  return h(
    "div",
    { class: "missing", role: "status" },
    h("b", {}, t("结果不完整|Not complete")),
    " ",
    t("集群的分片 {list} 没有响应，其中的事件没有计入下面的数字。|Shards {list} of the cluster do not answer: their events are not in these numbers.", { list: missing.join(t("、|, ")) }),
    whole ? [" ", button(t("要完整结果|Ask for all of it"), whole, { class: "button ghost small" })] : null,
  );
}

/** Change the shared part of the address: to what was known then, to a part of a cluster. */
function go(part) {
  const { page, state } = readAddress();
  location.hash = addressOf(page, { ...state, ...part });
}

/** Ask before something is deleted; `warning` says what goes with it. */
export function confirmDelete(title, act, done, warning = null) {
  const fault = h("div");
  const box = dialog(
    title,
    warning,
    fault,
    h(
      "div",
      { class: "row" },
      button(
        t("删除|Delete"),
        async () => {
          try {
            await act();
            box.close();
            toast(t("已删除|Deleted"));
            done();
          } catch (error) {
            put(fault, errorNotice(error));
          }
        },
        { class: "button danger" },
      ),
      button(t("取消|Cancel"), () => box.close()),
    ),
  );
}

function toolsOf({ report, body, name, card, isUsers, again }) {
  const file = `scenetrail-${name}-${body.time_range?.from ?? ""}`;
  return menu(t("更多操作|More"), [
    [t("刷新|Refresh"), again],
    [
      t("下载 CSV|Download CSV"),
      async () => {
        try {
          download(`${file}.csv`, isUsers ? await wholeCsv(report, body) : await csv(report, body));
        } catch (error) {
          toast(errorLine(error), "error");
        }
      },
    ],
    [t("下载图片 PNG|Download PNG"), () => picture(card, file)],
    [t("复制为 API 请求|Copy as API request"), () => copy(apiRequest(report, body))],
  ]);
}

/** The CSV of all users of a list, of whom the page shows some. */
async function wholeCsv(report, body) {
  const parts = [];
  for await (const part of csvSlices(report, body)) parts.push(part);
  return new Blob(parts, { type: "text/csv" });
}

/** What one can do with a part that shows what a GET answers; its CSV has the tables that it shows. again(): reads anew. */
export function sectionTools({ name, address, card, again }) {
  return menu(t("更多操作|More"), [
    [t("刷新|Refresh"), again],
    [t("下载 CSV|Download CSV"), () => download(`scenetrail-${name}.csv`, csvBlob([...card.querySelectorAll(".table-holder")].flatMap((place) => place.lines())))],
    [t("下载图片 PNG|Download PNG"), () => picture(card, `scenetrail-${name}`)],
    [t("复制为 API 请求|Copy as API request"), () => copy(`curl -s '${location.origin}${address}' -H "Authorization: Bearer $READ_TOKEN"`)],
  ]);
}

async function picture(card, file) {
  try {
    await savePicture(card, file);
  } catch (error) {
    toast(`${t("图片没有画成，可下载 CSV|No picture could be made: take the CSV")} (${error.message})`, "error");
  }
}

/** The question as a command for a terminal. */
export function apiRequest(report, body) {
  const json = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -s ${location.origin}/v1/query/${report} -H "Authorization: Bearer $READ_TOKEN" -H 'Content-Type: application/json' -d '${json}'`;
}

// What the server warns of, in Chinese; in English its own words stand.
const WARNINGS = {
  both_arms: "有人同时在发送组和对照组，按最早一条计入",
  deep_forest: "分享层级过深，更深的部分没有展开",
  holidays_unknown: "有的年份节假日安排尚未公布",
  partial: "结果不完整：有的分片没有响应",
  missing_values: "有的指标没有数值，按模型规定不计分或不参与",
  partial_period: "首期或末期超出了时间范围，只计入范围内的部分",
  preset_axes_left_out: "预设的部分口径与当前条件冲突，用默认值代替",
  several_currencies: "成本有多个币种，不相加",
  whole_days: "成本按整天计算，比所选时间范围更宽",
  window_not_ended: "有的活动观察窗口还没结束，比例可能继续上升",
};

function warningText({ code, message }) {
  return language === "zh" && WARNINGS[code] ? WARNINGS[code] : message;
}

function footOf(name, answer, isOld, isList) {
  const { meta, semantics } = answer;
  return [
    h(
      "div",
      { class: "fresh" },
      h(
        "span",
        {},
        t("数据截至|Data until"),
        " ",
        h("time", { class: "complete-until", datetime: meta.data_complete_until ?? "" }, instant(meta.data_complete_until, zone())),
      ),
      h("span", { class: "muted" }, t("用时 {ms}，读取 {rows} 行|{ms}, {rows} rows read", { ms: duration(meta.elapsed_ms), rows: number(meta.rows_read) })),
      Date.parse(semantics?.time_range?.to ?? "") > Date.now() ? h("span", { class: "badge warn", dataset: { open: "" } }, t("时间范围还没有结束|the range has not ended yet")) : null,
      isOld ? h("span", { class: "badge" }, t("上次结果，正在更新|last answer, refreshing")) : null,
      meta.truncated && isList ? h("span", { class: "badge warn" }, t("列表已截断|list cut")) : null,
    ),
    (meta.warnings ?? []).map((w) => h("p", { class: "warning", title: w.message }, warningText(w))),
    definition(name, semantics),
  ];
}

/** The comparison part of a request. */
export const compared = (state) => (state.compare ? { compare: state.compare } : {});

/** What the range before is called. */
export const beforeTitle = (compare) => (compare === "previous_year" ? t("去年同期|Year before") : t("前一时期|Period before"));

function compareField(given, onChange, isAlways) {
  return select(
    t("对比|Compare"),
    [...(isAlways ? [] : [["", t("不对比|nothing")]]), ["previous_period", t("前一时期|period before")], ["previous_year", t("去年同期|year before")]],
    given ?? "",
    (chosen) => onChange(chosen || undefined),
  );
}

/**
 * What bounds every question of a page: a segment, the range to compare with, and the global filter, folded away while it is empty.
 *
 * compare: "chosen", or "always" where the page always compares, or "" where there is nothing to compare.
 */
export function filterSection(state, set, { filter = true, compare = "chosen" } = {}) {
  const count = countConditions(state.filter);
  return h(
    "div",
    { class: "bounds" },
    h("div", { class: "bounds-segment" }, h("span", { class: "label" }, t("用户分群|Segment")), segmentPicker(t("用户分群|Segment"), state.segment, (segment) => set({ segment: segment || undefined }), { none: t("全部用户|Everyone") })),
    compare ? h("div", { class: "bounds-compare" }, compareField(state.compare, (chosen) => set({ compare: chosen }), compare === "always")) : null,
    filter
      ? fold("filter", [icon("funnel"), t("全局筛选|Filter"), count ? h("span", { class: "count" }, String(count)) : null], filterBuilder(t("全局筛选|Filter"), state.filter, (given) => set({ filter: given }), { common: wholeRange(state) }), {
          class: "filter-section",
          open: count > 0,
        })
      : null,
  );
}

/**
 * A part of a page that shows what a GET of an address answers: loading, failure, definition and tools as in a panel.
 *
 * The element has `reload()`.
 */
export function section({ title, address, render, actions = [], name }) {
  const here = view();
  const content = h("div", { class: "panel-content" });
  const said = status();
  const tools = h("div", { class: "panel-tools" });
  const foot = h("div", { class: "panel-foot" });
  const card = h("section", { class: "panel", "aria-label": title, dataset: { report: name, state: "loading" } }, h("div", { class: "panel-head" }, h("h2", {}, title), h("div", { class: "panel-actions" }, ...actions, tools)), said, content, foot);
  let turn = 0;
  card.reload = async () => {
    turn += 1;
    const mine = turn;
    const waiting = setTimeout(() => put(content, h("div", { class: "loading" }, progressBar())), content.childElementCount ? 3000 : WAIT_MS);
    card.dataset.state = "loading";
    try {
      const answer = await get(address);
      if (mine !== turn) return;
      inView(here, () => put(content, render(answer)));
      put(foot, answer.semantics ? definition(name, answer.semantics) : null);
      put(said, isHere(title));
      card.dataset.state = "done";
    } catch (error) {
      if (mine !== turn) return;
      put(content, errorNotice(error, card.reload));
      card.dataset.state = "error";
    } finally {
      clearTimeout(waiting);
    }
  };
  put(tools, sectionTools({ name, address, card, again: card.reload }));
  card.reload();
  return card;
}

