// The shell: sign-in, navigation, the bar above every page, and which page is shown. Pages are in pages/.

import { forget, get, post, remove } from "./api.js";
import { isDark } from "./charts.js";
import { h, icon, put, uid } from "./dom.js";
import { errorLine, errorTexts } from "./errors.js";
import { keepFocusUntilThere } from "./focus.js";
import { language, setLanguage, t } from "./i18n.js";
import { GROUPS, PAGES } from "./pages.js";
import { appPicker, rangePicker } from "./pickers.js";
import { errorNotice } from "./report.js";
import { saveView } from "./saved.js";
import { addressOf, areSameBut, isOfLastStep, ownZone, readAddress, shared, writeAddress } from "./state.js";
import { showUsers } from "./users.js";
import { button, copy, iconButton, menu, notice, toast } from "./widgets.js";

const root = document.getElementById("app");
const KEPT_THEME = "scenetrail.theme";
const server = { session: null, reports: new Set(), fault: null };
let shell = null;
let shown = null;

async function start() {
  setLanguage(language);
  const theme = localStorage.getItem(KEPT_THEME);
  if (theme) document.documentElement.dataset.theme = theme;
  window.addEventListener("hashchange", ({ oldURL, newURL }) => {
    if (shell && areSameBut("who", oldURL, newURL)) showList(readAddress().state); // the view behind it stays as it is
    else show();
  });
  window.addEventListener("signed-out", () => {
    if (server.session?.signed_in) {
      forget();
      server.session = { signed_in: false, has_ended: true };
      for (const box of document.querySelectorAll("dialog")) box.close();
      show();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show());
  // The page was told who is signed in: it can ask for its numbers at once.
  const told = document.querySelector('meta[name="scenetrail-session"]')?.content;
  if (told) {
    accept(JSON.parse(told));
    show();
  } else await connect();
}

function accept(session) {
  server.session = session;
  server.reports = new Set(session.reports ?? []);
  server.fault = null;
}

/** Ask who is signed in and which reports there are; then show. */
async function connect() {
  try {
    accept(await get("/console/session"));
  } catch (error) {
    server.fault = error;
  }
  show();
}

/** Opened without a view, the console shows the first page, in one's own zone; from then on the address has it all. */
function nameView() {
  if (/^(#\/?)?$/.test(location.hash)) history.replaceState(null, "", addressOf("overview", { tz: ownZone() }));
}

const hasPage = (page) => !page.report || server.reports.has(page.report);

function show() {
  nameView();
  if (server.fault) {
    shell = null;
    put(root, h("main", { class: "sign-in" }, errorNotice(server.fault, connect)));
    return;
  }
  if (!server.session.signed_in) {
    shell = null;
    document.title = "scenetrail";
    put(root, signIn());
    root.querySelector("input")?.focus();
    return;
  }
  const { page: id, state } = readAddress();
  const page = PAGES.find((p) => p.id === id && hasPage(p));
  shell ??= makeShell();
  shell.update(page, state);
  document.title = page ? `${t(page.title)} · scenetrail` : "scenetrail";
}

// --- Sign-in -----------------------------------------------------------------

function signIn() {
  const id = uid("token");
  const input = h("input", { class: "input", id, type: "password", name: "token", autocomplete: "current-password", placeholder: "rt_…", spellcheck: "false", required: true });
  const fault = h("div");
  const form = h(
    "form",
    {
      class: "sign-in-form",
      onSubmit: async (event) => {
        event.preventDefault();
        put(fault);
        try {
          await post("/console/session", { token: input.value.trim() });
          if (server.session.has_ended) location.reload(); // what the page has learnt is of another token
          else await connect();
          root.querySelector("h1")?.focus({ preventScroll: true });
        } catch (error) {
          put(
            fault,
            error.status === 401
              ? notice("error", t("令牌无效|This token is not valid"), t("请使用 scenetrail up 或 make run 打印的读取令牌（rt_ 开头），已吊销的令牌不能登录。|Use the read token (rt_…) that scenetrail up or make run printed; a revoked one does not work."))
              : errorNotice(error),
          );
          input.select();
        }
      },
    },
    h("label", { for: id, class: "label" }, t("读取令牌|Read token")),
    input,
    h("button", { type: "submit", class: "button primary" }, t("登录|Sign in")),
    fault,
  );
  return h(
    "main",
    { class: "sign-in" },
    h(
      "div",
      { class: "sign-in-card" },
      brand(),
      h("h1", {}, t("登录控制台|Sign in to the console")),
      server.session.has_ended ? h("p", { class: "missing", role: "alert" }, Object.values(errorTexts("unauthorized")).join(" ")) : null,
      h("p", { class: "muted" }, t("启动时终端里打印的“读取令牌”就是登录凭证。|The read token that was printed in the terminal at the start lets you in.")),
      form,
      h("div", { class: "row" }, languageButton(), themeButton()),
    ),
  );
}

const brand = () => h("span", { class: "brand" }, h("img", { src: document.querySelector('link[rel="icon"]').href, alt: "", width: 24, height: 24 }), "scenetrail");

function languageButton() {
  return button(
    language === "zh" ? "English" : "中文",
    () => {
      setLanguage(language === "zh" ? "en" : "zh");
      shell = null;
      show();
    },
    { class: "button ghost", lang: language === "zh" ? "en" : "zh-CN" },
  );
}

function themeButton() {
  return iconButton("sun", t("切换深浅色|Light or dark"), () => {
    const next = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEPT_THEME, next);
    show();
  });
}

// --- Shell -------------------------------------------------------------------

function makeShell() {
  const navigation = h("nav", { class: "navigation", "aria-label": t("页面|Pages"), id: "navigation" });
  const title = h("h1", { class: "page-title", tabindex: "-1" });
  const bar = h("div", { class: "bar-tools" });
  const main = h("main", { class: "page", id: "main" });
  const opener = iconButton("menu", t("菜单|Menu"), () => toggle(!document.body.classList.contains("nav-open")), { class: "icon-button nav-opener", "aria-controls": "navigation", "aria-expanded": "false" });
  const toggle = (open) => {
    const wasOpen = document.body.classList.contains("nav-open");
    document.body.classList.toggle("nav-open", open);
    opener.setAttribute("aria-expanded", String(open));
    if (open) (navigation.querySelector("[aria-current]") ?? navigation.querySelector("a"))?.focus();
    else if (wasOpen) opener.focus();
  };
  const skip = h("button", { type: "button", class: "skip", onClick: () => main.querySelector("button, a, input, select")?.focus() }, t("跳到内容|Skip to content"));
  put(
    root,
    skip,
    h(
      "div",
      { class: "shell", onKeydown: (event) => event.key === "Escape" && toggle(false) },
      h("aside", { class: "side" }, h("a", { class: "brand-link", "aria-label": t("scenetrail 概览|scenetrail overview") }, brand()), navigation, h("div", { class: "side-foot" }, h("p", { class: "muted small" }, t("项目|Project"), " ", server.session.project), button(t("退出登录|Sign out"), signOut, { class: "button ghost small" }))),
      h("div", { class: "scrim", onClick: () => toggle(false) }),
      h("div", { class: "body" }, h("header", { class: "bar" }, opener, title, bar), main),
    ),
  );
  const home = root.querySelector(".brand-link");
  let current = null;

  function update(page, state) {
    const isNew = current !== page?.id;
    current = page?.id;
    put(
      navigation,
      GROUPS.map(([group, name]) => {
        const pages = PAGES.filter((p) => p.group === group && hasPage(p));
        if (!pages.length) return null;
        return [
          name ? h("h2", { class: "navigation-group" }, t(name)) : null,
          h(
            "ul",
            {},
            pages.map((p) =>
              h(
                "li",
                {},
                h(
                  "a",
                  { href: addressOf(p.id, shared(state)), "aria-current": p.id === page?.id ? "page" : null, onClick: () => toggle(false) },
                  icon(p.icon),
                  t(p.title),
                ),
              ),
            ),
          ),
        ];
      }),
    );
    home.href = addressOf("overview", shared(state));
    navigation.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    put(title, page ? t(page.title) : t("没有这个页面|No such page"));
    const set = (part) => {
      writeAddress(part, { isStep: true });
      show();
    };
    const focus = keepFocusUntilThere(root, main);
    put(
      bar,
      page && !["settings", "boards", "people"].includes(page.id)
        ? [
            appPicker(server.session.apps, state.apps, (apps) => set({ apps })),
            page.id === "live" || page.id === "quality" ? null : rangePicker(state.range, (range) => set({ range }), { asOf: state.as_of, onAsOf: (day) => set({ as_of: day }) }),
          ]
        : null,
      languageButton(),
      themeButton(),
      page && page.id !== "settings"
        ? menu(t("这个视图|This view"), [
            [t("保存视图|Save this view"), () => saveView(page.id, readAddress().state)],
            [t("复制链接|Copy the link"), () => copy(location.href)],
          ])
        : null,
    );
    draw(main, page, state, set, isNew).then(() => focus());
    if (isNew && shown !== null) title.focus({ preventScroll: true });
    shown = page?.id;
  }
  return { update };
}

let turn = 0;

async function draw(main, page, state, set, isNew) {
  turn += 1;
  const mine = turn;
  for (const card of main.querySelectorAll(".panel")) card.stop?.();
  main.dispatchEvent(new Event("leave"));
  if (isNew) put(main);
  if (!page) {
    put(main, notice("empty", t("没有这个页面|No such page"), t("也许它需要的报表还没有安装。|The report behind it may not be there."), h("a", { class: "button", href: addressOf("overview") }, t("回到概览|To the overview"))));
    return;
  }
  try {
    // Waits only the first time: a page that is drawn later than its state changed would let a quick hand work on the old one.
    page.module ??= await page.load();
    if (mine !== turn) return;
    const context = {
      state,
      set,
      main,
      session: server.session,
      has: (report) => server.reports.has(report),
      users: (report, body, cell, title) => {
        writeAddress({ who: { report, body, cell, title } }, { isStep: true });
        showList(readAddress().state);
      },
    };
    showList(state);
    put(main, NOW_ONLY.has(page.id) ? null : knownNotice(state, set), page.module.default(context));
  } catch (error) {
    if (mine !== turn) return;
    put(main, errorNotice(error, () => show()));
  }
}

let list = null;

/** Open the list of users that the address has, and no other; closed, it leaves the address. */
function showList({ who: given }) {
  const key = given ? JSON.stringify(given) : "";
  if (list?.key === key) return;
  const before = list;
  list = null;
  before?.box.close();
  if (!given || !server.reports.has(given.report)) return; // no other address is asked, whatever the link says
  const mine = { key, box: showUsers(given.report, given.body, given.cell ?? {}, String(given.title ?? ""), { profiles: server.reports.has("profile") }) };
  list = mine;
  // It is open until the address is without it: what is clicked before would be gone back from as well.
  mine.box.leave = () => (isOfLastStep("who") ? history.back() : mine.box.close());
  mine.box.addEventListener("close", () => {
    if (list !== mine) return;
    list = null;
    writeAddress({ who: undefined });
  });
}

/** These pages ask nothing that could be asked as of a day. */
const NOW_ONLY = new Set(["live", "quality", "settings", "boards"]);

/** That the page shows what was known on an earlier day, or asks no more than a part of a cluster. */
function knownNotice(state, set) {
  const lines = [
    state.as_of
      ? [t("以下是截至 {day} 结束时所知的数据：之后到达的事件、之后才知道的身份关系不计入。|This is what was known at the end of {day}: events that arrived later and ids bound later do not count.", { day: state.as_of }), button(t("用现在的数据|What is known now"), () => set({ as_of: undefined }), { class: "button small" })]
      : null,
    state.partial
      ? [t("集群有分片没有响应时，照样显示能读到的部分。|Where shards of the cluster do not answer, what can be read is shown."), button(t("只要完整结果|Whole answers only"), () => set({ partial: undefined }), { class: "button small" })]
      : null,
  ].filter(Boolean);
  return lines.length ? h("div", { class: "known" }, lines.map(([text, act]) => h("div", {}, h("span", {}, text), act))) : null;
}

async function signOut() {
  try {
    await remove("/console/session");
    forget();
    location.reload(); // another token may not see what the page has learnt
  } catch (error) {
    toast(errorLine(error), "error");
  }
}

start();
