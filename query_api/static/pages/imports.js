// What people bring: QR codes and where they hang, costs of channels, send logs of messages. Listed, added, imported, deleted.

import { post, remove } from "../api.js";
import { csvBlob, parseCsv } from "../csv.js";
import { h, put } from "../dom.js";
import { amount, instant, number } from "../format.js";
import { appName, t } from "../i18n.js";
import { confirmDelete, errorNotice, section } from "../report.js";
import { addDays, today, zone } from "../state.js";
import { button, dialog, download, field, notice, select, table, textInput, toast, usersLink } from "../widgets.js";

const BLOCK = 5_000;
const SHOWN_DAYS = 90;

// --- Shared -------------------------------------------------------------------------

/** Import a CSV file. rowOf(cells): a row as the API takes it; send(rows): stores up to 5,000 of them. */
function importDialog({ title, example, explain, rowOf, send, done }) {
  const file = h("input", { type: "file", accept: ".csv,text/csv", class: "input", required: true });
  const report = h("div", { "aria-live": "polite" });
  const submit = h("button", { type: "submit", class: "button primary" }, t("导入|Import"));
  const box = dialog(
    title,
    h("p", {}, explain),
    h("pre", { class: "raw" }, example.map((line) => line.join(",")).join("\n")),
    h("div", { class: "row" }, button(t("下载模板|Download a template"), () => download("scenetrail-template.csv", csvBlob(example)))),
    h(
      "form",
      {
        class: "form",
        onSubmit: async (event) => {
          event.preventDefault();
          submit.disabled = true;
          let stored = 0;
          try {
            const rows = parseCsv(await file.files[0].text()).map(rowOf);
            if (!rows.length) throw new Error(t("文件里没有数据行|the file has no rows"));
            for (let i = 0; i < rows.length; i += BLOCK) {
              stored += (await send(rows.slice(i, i + BLOCK))).result.stored;
              put(report, h("p", { class: "muted" }, t("已导入 {n} / {m} 行|{n} of {m} rows", { n: number(stored), m: number(rows.length) })));
            }
            box.close();
            toast(t("已导入 {n} 行|{n} rows imported", { n: number(stored) }));
            done();
          } catch (error) {
            put(report, stored ? h("p", {}, t("已导入 {n} 行，其余没有|{n} rows are in, the rest is not", { n: number(stored) })) : null, error.status === undefined ? notice("error", t("文件读不懂|The file cannot be read"), error.message) : errorNotice(error));
            submit.disabled = false;
          }
        },
      },
      field(t("CSV 文件（UTF-8）|CSV file (UTF-8)"), file),
      report,
      submit,
    ),
  );
}

/** A form in a dialog. fields: elements of textInput and the like by name; send(values) stores. */
function formDialog(title, fields, send, done) {
  const fault = h("div");
  const valueOf = (name) => fields[name].querySelector("input, select").value.trim();
  const box = dialog(
    title,
    h(
      "form",
      {
        class: "form",
        onSubmit: async (event) => {
          event.preventDefault();
          try {
            await send(Object.fromEntries(Object.keys(fields).map((name) => [name, valueOf(name)])));
            box.close();
            toast(t("已保存|Saved"));
            done();
          } catch (error) {
            put(fault, error.status === undefined ? notice("error", error.message) : errorNotice(error));
          }
        },
      },
      Object.values(fields),
      fault,
      h("button", { type: "submit", class: "button primary" }, t("保存|Save")),
    ),
  );
}

const nameOf = (session, id) => appName(session.apps.find((app) => app.app_id === id) ?? { app_id: id });
const appSelect = (session) => select(t("应用|App"), session.apps.map((app) => [app.app_id, `${appName(app)} (${app.app_id})`]), session.apps[0]?.app_id, () => {});
const filled = (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== "" && value !== undefined));

// --- QR codes -----------------------------------------------------------------------

const CODE_COLUMNS = ["code_id", "app_id", "label", "store", "city", "placement", "valid_from", "valid_to"];

export function qrCodes({ session }) {
  const send = (codes) => post("/v1/qr-codes", { codes, timezone: zone() });
  const [app] = session.apps;
  const card = section({
    title: t("二维码|QR codes"),
    name: "qr-codes",
    address: "/v1/qr-codes?limit=10000",
    actions: [
      button(t("添加|Add"), () => formDialog(t("添加二维码|Add a QR code"), codeFields(session), (values) => send([filled(values)]), card.reload), { class: "button primary" }),
      button(t("导入 CSV|Import CSV"), () =>
        importDialog({
          title: t("导入二维码|Import QR codes"),
          explain: t("每行一个码；同一应用的同一个 code_id 会被替换。code_id 是启动参数 scene 或 q 解码后的值。|One code a line; the same code_id of an app is replaced. code_id: what the launch parameter scene or q says, decoded."),
          example: [CODE_COLUMNS, ["A-17", app?.app_id ?? "wx…", t("门口易拉宝|Stand at the door"), t("人民广场店|People's Square"), t("上海|Shanghai"), t("门口|door"), addDays(today(), -30), ""]],
          rowOf: (cells) => filled(Object.fromEntries(CODE_COLUMNS.map((name) => [name, cells[name] ?? ""]))),
          send,
          done: card.reload,
        }),
      ),
    ],
    render: (answer) => {
      const { codes, total } = answer.result;
      if (!codes.length) return notice("empty", t("还没有登记二维码|No codes yet"), t("登记后，场景报表可以按二维码、门店、城市和点位分组。|Once registered, the scenes report groups by code, store, city and placement."));
      const day = (at) => (at ? instant(at, zone(), false) : "–");
      return [
        h("p", { class: "muted" }, t("共 {n} 个|{n} codes", { n: number(total) })),
        table(
          t("二维码|QR codes"),
          [
            { name: "code", title: "code_id", cell: (c) => h("code", { class: "clip", title: c.code_id }, c.code_id), value: (c) => c.code_id },
            { name: "label", title: t("名称|Label"), cell: (c) => c.label, value: (c) => c.label },
            { name: "store", title: t("门店|Store"), cell: (c) => c.store, value: (c) => c.store },
            { name: "city", title: t("城市|City"), cell: (c) => c.city, value: (c) => c.city },
            { name: "placement", title: t("点位|Placement"), cell: (c) => c.placement, value: (c) => c.placement },
            { name: "app", title: t("应用|App"), cell: (c) => nameOf(session, c.app_id), value: (c) => c.app_id },
            { name: "from", title: t("生效|From"), cell: (c) => day(c.valid_from), value: (c) => c.valid_from },
            { name: "to", title: t("失效|Until"), cell: (c) => day(c.valid_to), value: (c) => c.valid_to },
            { name: "delete", title: t("操作|Action"), cell: (c) => button(t("删除|Delete"), () => confirmDelete(t("删除二维码 {id}？|Delete code {id}?", { id: c.code_id }), () => remove(`/v1/qr-codes?${new URLSearchParams({ app_id: c.app_id, code_id: c.code_id })}`), card.reload), { class: "button small", "aria-label": t("删除 {id}|Delete {id}", { id: c.code_id }) }) },
          ],
          codes,
          { limit: 100 },
        ),
      ];
    },
  });
  return card;
}

function codeFields(session) {
  const date = { type: "date" };
  return {
    code_id: textInput("code_id", "", () => {}, { required: true, maxlength: 2048 }),
    app_id: appSelect(session),
    label: textInput(t("名称|Label"), "", () => {}, { maxlength: 256 }),
    store: textInput(t("门店|Store"), "", () => {}, { maxlength: 256 }),
    city: textInput(t("城市|City"), "", () => {}, { maxlength: 256 }),
    placement: textInput(t("点位|Placement"), "", () => {}, { maxlength: 256 }),
    valid_from: textInput(t("生效日（可不填）|Valid from (may stay empty)"), "", () => {}, date),
    valid_to: textInput(t("失效日（含，可不填）|Valid to, included (may stay empty)"), "", () => {}, date),
  };
}

// --- Costs --------------------------------------------------------------------------

const COST_COLUMNS = new Set(["day", "app_id", "amount", "currency", "clicks", "impressions"]);

function costRow(cells) {
  const key = filled(Object.fromEntries(Object.entries(cells).filter(([name]) => name && !COST_COLUMNS.has(name))));
  const whole = (name) => (cells[name] ? { [name]: Number(cells[name]) } : {});
  if (!Number.isFinite(Number(cells.amount)) || cells.amount === "" || cells.amount === undefined) throw new Error(t("amount 不是数：{text}|amount is no number: {text}", { text: cells.amount ?? "" }));
  return { day: cells.day, app_id: cells.app_id, key, amount: Number(cells.amount), ...(cells.currency ? { currency: cells.currency } : {}), ...whole("clicks"), ...whole("impressions") };
}

export function costs({ session }) {
  const send = (rows) => post("/v1/costs", { rows });
  const [app] = session.apps;
  const from = addDays(today(), -SHOWN_DAYS);
  const card = section({
    title: t("投放成本|Costs of channels"),
    name: "costs",
    address: `/v1/costs?${new URLSearchParams({ from, to: "2099-12-31", limit: "10000" })}`,
    actions: [
      button(t("添加|Add"), () => formDialog(t("添加成本|Add a cost"), costFields(session), (values) => send([costRow({ day: values.day, app_id: values.app_id, amount: values.amount, currency: values.currency, clicks: values.clicks, impressions: values.impressions, [values.field]: values.value })]), card.reload), { class: "button primary" }),
      button(t("导入 CSV|Import CSV"), () =>
        importDialog({
          title: t("导入成本|Import costs"),
          explain: t("每行一个渠道一天的花费。day、app_id、amount 必填；currency、clicks、impressions 可选；其余各列是渠道字段（如 utm.source、qr_code、platform + scene）。同一天同一渠道会被替换。|What a channel cost on a day. day, app_id and amount are required; currency, clicks, impressions optional; every other column names the channel (utm.source, qr_code, platform + scene). The same day and channel is replaced."),
          example: [
            ["day", "app_id", "utm.source", "amount", "currency", "clicks", "impressions"],
            [addDays(today(), -1), app?.app_id ?? "wx…", "baidu", "320.50", "CNY", "410", "18000"],
          ],
          rowOf: costRow,
          send,
          done: card.reload,
        }),
      ),
      button(t("按天删除|Delete days"), () => {
        const fields = { app_id: appSelect(session), from: textInput(t("从|From"), from, () => {}, { type: "date", required: true }), to: textInput(t("到（含）|To (included)"), today(), () => {}, { type: "date", required: true }) };
        formDialog(t("删除一段日期的成本|Delete the costs of some days"), fields, (values) => remove(`/v1/costs?${new URLSearchParams(values)}`), card.reload);
      }),
    ],
    render: (answer) => {
      const { rows, total } = answer.result;
      if (!rows.length) return notice("empty", t("近 {n} 天没有导入成本|No costs of the last {n} days", { n: SHOWN_DAYS }), t("导入后，场景报表会显示获客成本与 ROI。|Once imported, the scenes report shows cost per new user and ROI."));
      return [
        h("p", { class: "muted" }, t("近 {d} 天共 {n} 行|{n} rows of the last {d} days", { d: SHOWN_DAYS, n: number(total) })),
        table(
          t("投放成本|Costs of channels"),
          [
            { name: "day", title: t("日期|Day"), cell: (r) => r.day, value: (r) => r.day },
            { name: "key", title: t("渠道|Channel"), cell: (r) => keyText(r.key), value: (r) => keyText(r.key) },
            { name: "app", title: t("应用|App"), cell: (r) => nameOf(session, r.app_id), value: (r) => r.app_id },
            { name: "amount", title: t("花费|Amount"), number: true, cell: (r) => `${amount(r.amount)} ${r.currency}`, value: (r) => r.amount },
            { name: "clicks", title: t("点击|Clicks"), number: true, cell: (r) => number(r.clicks), value: (r) => r.clicks },
            { name: "impressions", title: t("曝光|Impressions"), number: true, cell: (r) => number(r.impressions), value: (r) => r.impressions },
          ],
          rows,
          { limit: 100, sorted: { name: "day", down: true } },
        ),
      ];
    },
  });
  return card;
}

const keyText = (key) => Object.entries(key).map(([name, value]) => `${name}=${value}`).join(" ");

function costFields(session) {
  const count = { type: "number", min: 0, step: 1 };
  return {
    day: textInput(t("日期|Day"), addDays(today(), -1), () => {}, { type: "date", required: true }),
    app_id: appSelect(session),
    field: select(t("渠道字段|Channel field"), ["utm.source", "utm.medium", "utm.campaign", "utm.content", "utm.term", "qr_code", "referrer_app_id"].map((name) => [name, name]), "utm.source", () => {}),
    value: textInput(t("渠道取值|Channel value"), "", () => {}, { required: true }),
    amount: textInput(t("花费|Amount"), "", () => {}, { type: "number", min: 0, step: "0.0001", required: true }),
    currency: textInput(t("币种|Currency"), "CNY", () => {}, { pattern: "[A-Z]{3}", required: true }),
    clicks: textInput(t("点击（可不填）|Clicks (may stay empty)"), "", () => {}, count),
    impressions: textInput(t("曝光（可不填）|Impressions (may stay empty)"), "", () => {}, count),
  };
}

// --- Send logs ----------------------------------------------------------------------

export function messages({ session, users }) {
  const [app] = session.apps;
  const card = section({
    title: t("召回消息|Messages sent"),
    name: "messages",
    address: "/v1/messages?limit=1000",
    actions: [
      button(
        t("导入 CSV|Import CSV"),
        () =>
          importDialog({
            title: t("导入发送记录|Import a send log"),
            explain: t("每行一条消息；arm 为 treated（发送）或 hold_out（留作对照，不发）。sent_at 带时区；delivered 为 true、false 或空。只保存编号的散列。|One message a line; arm is treated, or hold_out for those held back. sent_at with its zone; delivered true, false or empty. Of ids only a key is stored."),
            example: [
              ["message_id", "app_id", "campaign", "kind", "id", "arm", "sent_at", "delivered"],
              ["m-1", app?.app_id ?? "wx…", "spring", "openid", "o-1", "treated", `${addDays(today(), -1)}T10:00:00+08:00`, "true"],
            ],
            rowOf: ({ kind, id, delivered, ...cells }) => ({
              ...filled({ message_id: cells.message_id, app_id: cells.app_id, campaign: cells.campaign, arm: cells.arm, sent_at: cells.sent_at }),
              person: { kind, id },
              ...(delivered ? { delivered: delivered === "true" || delivered === "1" } : {}),
            }),
            send: (rows) => post("/v1/messages", { rows }),
            done: card.reload,
          }),
        { class: "button primary" },
      ),
    ],
    render: (answer) => {
      const { campaigns } = answer.result;
      const day = (at) => instant(at, zone()).slice(0, 10);
      const persons = (c, arm, title) => {
        const body = { app_ids: [c.app_id], time_range: { from: day(c.first_sent_at), to: day(c.last_sent_at) }, timezone: zone(), campaigns: [c.campaign] };
        users("recall", body, { campaign: c.campaign, arm }, `${c.campaign} · ${title}`);
      };
      const armColumn = (arm, title) => ({ name: arm, title, number: true, value: (c) => c[arm], cell: (c) => usersLink(number(c[arm]), () => persons(c, arm, title)) });
      if (!campaigns.length) return notice("empty", t("还没有发送记录|No send logs yet"), t("导入后，召回报表比较收到消息的人与对照组。|Once imported, the recall report compares those who got a message with those held out."));
      return table(
        t("召回消息|Messages sent"),
        [
          { name: "campaign", title: t("活动|Campaign"), cell: (c) => c.campaign, value: (c) => c.campaign },
          { name: "app", title: t("应用|App"), cell: (c) => nameOf(session, c.app_id), value: (c) => c.app_id },
          armColumn("treated", t("发送|Treated")),
          armColumn("hold_out", t("对照|Held out")),
          { name: "first", title: t("最早|First"), cell: (c) => instant(c.first_sent_at, zone(), false), value: (c) => c.first_sent_at },
          { name: "last", title: t("最晚|Last"), cell: (c) => instant(c.last_sent_at, zone(), false), value: (c) => c.last_sent_at },
          { name: "delete", title: t("操作|Action"), cell: (c) => button(t("删除|Delete"), () => confirmDelete(t("删除活动 {name} 的记录？|Delete the log of {name}?", { name: c.campaign }), () => remove(`/v1/messages?${new URLSearchParams({ app_id: c.app_id, campaign: c.campaign })}`), card.reload), { class: "button small", "aria-label": t("删除 {id}|Delete {id}", { id: c.campaign }) }) },
        ],
        campaigns,
      );
    },
  });
  return card;
}
