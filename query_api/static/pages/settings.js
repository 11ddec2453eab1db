// Settings: apps, keys and tokens by their ids, the zone in which days are counted, and what people bring (imports.js).

import { get } from "../api.js";
import { h, put } from "../dom.js";
import { instant } from "../format.js";
import { appName, platformTitle, t } from "../i18n.js";
import { combobox } from "../pickers.js";
import { errorNotice } from "../report.js";
import { keepZone, zone } from "../state.js";
import { button, copy, segmented, table } from "../widgets.js";
import { costs, messages, qrCodes } from "./imports.js";

const TABS = [
  ["", "应用与密钥|Apps and keys"],
  ["codes", "二维码|QR codes"],
  ["costs", "投放成本|Costs"],
  ["messages", "召回消息|Messages"],
];

export default function settings(context) {
  const { state, set } = context;
  const tab = state.tab ?? "";
  return h(
    "div",
    { class: "page-stack" },
    h("div", { class: "row" }, segmented(t("设置的部分|Part of the settings"), TABS.map(([v, text]) => [v, t(text)]), tab, (value) => set({ tab: value || undefined }))),
    tab === "codes" ? qrCodes(context) : tab === "costs" ? costs(context) : tab === "messages" ? messages(context) : keys(set),
  );
}

function keys(set) {
  const place = h("div", { class: "page-stack" }, h("p", { class: "loading" }, t("正在读取…|Loading…")));
  async function ask() {
    try {
      put(place, view(await get("/console/access")));
    } catch (error) {
      put(place, errorNotice(error, ask));
    }
  }
  ask();
  return [
    h(
      "section",
      { class: "panel", "aria-label": t("显示|Display") },
      h("div", { class: "panel-head" }, h("h2", {}, t("显示|Display"))),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("时区：日期按此时区划分|Time zone in which days are counted")),
        h(
          "div",
          {},
          combobox(
            t("时区|Time zone"),
            zone(),
            () => ["Asia/Shanghai", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "Asia/Shanghai")].map((name) => ({ value: name, title: name })),
            (name) => {
              keepZone(name); // for the next time the console is opened; this view says it in its address
              set({ tz: name });
            },
          ),
        ),
      ),
    ),
    place,
  ];
}

function view({ apps, write_keys: writeKeys, read_tokens: tokens }) {
  const made = (r) => h("span", { class: "day" }, r.created_at ? instant(r.created_at, zone(), false) : "–");
  const state = (r) => (r.revoked_at ? h("span", { class: "badge bad" }, t("已吊销|revoked")) : h("span", { class: "badge good" }, t("有效|valid")));
  const command = (text) => h("div", { class: "row" }, h("code", {}, text), button(t("复制|Copy"), () => copy(text), { class: "button ghost small" }));
  const section = (title, ...content) => h("section", { class: "panel", "aria-label": title }, h("div", { class: "panel-head" }, h("h2", {}, title)), ...content);
  return [
    section(
      t("应用|Apps"),
      table(
        t("应用|Apps"),
        [
          { name: "name", title: t("名称|Name"), cell: appName, value: appName },
          { name: "id", title: "app_id", cell: (r) => h("code", {}, r.app_id), value: (r) => r.app_id },
          { name: "platform", title: t("平台|Platform"), cell: (r) => platformTitle(r.platform), value: (r) => r.platform },
          { name: "project", title: t("项目|Project"), cell: (r) => r.project, value: (r) => r.project },
        ],
        apps,
      ),
    ),
    section(
      t("写入密钥|Write keys"),
      h("p", { class: "muted" }, t("密钥只在生成时显示一次。|A key is shown once, when it is made.")),
      table(
        t("写入密钥|Write keys"),
        [
          { name: "id", title: "key_id", cell: (r) => h("code", {}, r.key_id), value: (r) => r.key_id },
          { name: "app", title: "app_id", cell: (r) => h("code", {}, r.app_id), value: (r) => r.app_id },
          { name: "made", title: t("生成|Made"), cell: made, value: (r) => r.created_at },
          { name: "state", title: t("状态|State"), cell: state, value: (r) => r.revoked_at },
        ],
        writeKeys,
        { name: "keys" },
      ),
      command("scenetrail keys --help"),
    ),
    section(
      t("读取令牌|Read tokens"),
      table(
        t("读取令牌|Read tokens"),
        [
          { name: "id", title: "token_id", cell: (r) => h("code", {}, r.token_id), value: (r) => r.token_id },
          { name: "apps", title: t("可读应用|Apps"), cell: (r) => (r.app_ids.length ? r.app_ids.join(", ") : t("项目的全部应用|all of the project")), value: (r) => r.app_ids.join() },
          { name: "made", title: t("生成|Made"), cell: made, value: (r) => r.created_at },
          { name: "state", title: t("状态|State"), cell: state, value: (r) => r.revoked_at },
        ],
        tokens,
        { name: "tokens" },
      ),
    ),
  ];
}

