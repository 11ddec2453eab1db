// SQL: one SELECT over documented views; the editor, the views with their columns, and what came out.

import { post } from "../api.js";
import { chart, timeOption } from "../charts.js";
import { h, put } from "../dom.js";
import { amount, number, plain, short } from "../format.js";
import { t } from "../i18n.js";
import { common, errorNotice, filterSection, panel, wholeRange } from "../report.js";
import { button, fold, select, table } from "../widgets.js";

const EXAMPLES = [
  ["每天的用户数|Users of each day", "SELECT toDate(occurred_at, 'Asia/Shanghai') AS day, uniqExact(user) AS users, count() AS events\nFROM events\nGROUP BY day\nORDER BY day"],
  ["各平台会话|Sessions by platform", "SELECT platform, count() AS sessions, uniqExact(user) AS users, round(avg(page_views), 2) AS pages\nFROM sessions\nGROUP BY platform\nORDER BY sessions DESC"],
  ["消费最多的用户|Users who spent most", "SELECT user, count() AS orders, round(sum(properties_number['amount']), 2) AS amount\nFROM events\nWHERE event = 'order_pay'\nGROUP BY user\nORDER BY amount DESC\nLIMIT 20"],
  ["入口场景名称|Entries by scene name", "SELECT s.scene_name AS scene, count() AS entries, uniqExact(e.user) AS users\nFROM events AS e\nINNER JOIN scenes AS s ON s.platform = e.platform AND s.scene = e.scene\nWHERE e.event = 'app_show'\nGROUP BY scene\nORDER BY entries DESC\nLIMIT 20"],
];
const VIEWS = [
  ["events", "每个事件一行，user 是解析后的人；属性在 properties_text['名称'] 等|one row for each event; user is the resolved person; properties in properties_text['name'] and so on"],
  ["sessions", "每次会话一行|one row for each session"],
  ["users", "范围内每个用户一行|one row for each user in the range"],
  ["scenes", "场景值字典|the dictionary of entry scenes"],
];
const LIMITS = [100, 1_000, 10_000, 100_000];

export default function sql({ state, set }) {
  const statement = state.sql ?? EXAMPLES[0][1];
  const editor = h("textarea", { class: "input code sql-editor", rows: 9, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": t("SQL 语句|SQL statement") });
  editor.value = statement;
  const run = () => {
    const text = editor.value.trim();
    // The same statement again is a question for the report, not a new view.
    if (text === statement.trim() && state.sql) card.again?.();
    else set({ sql: text || undefined });
  };
  editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  const body = { ...common(state), sql: statement, limit: Number(state.limit ?? 1_000) };
  const card = panel({ title: t("结果|Result"), report: "sql", body, wide: true, render: (answer) => result(answer.result) });
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("SQL 编辑器|SQL editor") },
      editor,
      h(
        "div",
        { class: "builder-row" },
        button(t("运行|Run"), run, { class: "button primary", title: "Ctrl + Enter" }),
        select(t("示例|Examples"), [["", t("选择示例…|Choose an example…")], ...EXAMPLES.map(([title], i) => [i, t(title)])], "", (i) => i !== "" && set({ sql: EXAMPLES[Number(i)][1] }), { hidden: true }),
        select(t("最多行数|Most rows"), LIMITS.map((n) => [n, t("{n} 行|{n} rows", { n: number(n) })]), state.limit ?? 1_000, (n) => set({ limit: n === "1000" ? undefined : Number(n) }), { hidden: true }),
        h("p", { class: "legend" }, t("只读：一条 SELECT，只能查下面的视图；应用、时间范围和筛选已经套在视图上。|Read-only: one SELECT over the views below, which hold the apps, the time range and the filter already.")),
      ),
      views(state),
      filterSection(state, set, { compare: "" }),
    ),
    card,
  );
}

/** The views with their columns, as the server itself names them. */
function views(state) {
  const place = h("div", { class: "views" });
  async function load() {
    if (place.childElementCount) return;
    put(place, h("p", { class: "muted" }, t("正在读取…|Loading…")));
    try {
      const answers = await Promise.all(VIEWS.map(([name]) => post("/v1/query/sql", { ...wholeRange(state), sql: `SELECT * FROM ${name} LIMIT 1`, limit: 1 })));
      put(
        place,
        VIEWS.map(([name, text], i) => h("section", { "aria-label": name }, h("h3", { class: "sub" }, h("code", {}, name), " ", h("span", { class: "muted" }, t(text))), h("p", { class: "columns" }, answers[i].result.columns.map((c) => h("span", { class: "column", title: c.type }, h("code", {}, c.name), h("span", { class: "muted" }, ` ${c.type}`)))))),
      );
    } catch (error) {
      put(place, errorNotice(error));
    }
  }
  return fold("views", t("可查的视图与字段|Views and their columns"), place, { opened: load });
}

const isNumber = (column) => /^(Nullable\()?(U?Int|Float|Decimal)/.test(column.type);
const isText = (column) => /^(LowCardinality\()?(Nullable\()?(String|Date|Enum|DateTime)/.test(column.type);

function result({ columns, rows }) {
  const numbers = columns.filter((c) => isNumber(c) && c.name !== "user");
  const [first] = columns;
  const drawn = rows.length > 1 && rows.length <= 400 && first && isText(first) && numbers.length > 0;
  return [
    h("p", { class: "muted" }, t("{n} 行，{m} 列|{n} rows, {m} columns", { n: number(rows.length), m: columns.length })),
    drawn ? picture(first, numbers.slice(0, 6), rows) : null,
    rows.length
      ? table(
          t("结果|Result"),
          columns.map((c) => ({ name: c.name, title: h("span", { title: c.type }, c.name), number: isNumber(c), value: (row) => row[c.name], cell: (row) => shown(row[c.name], c) })),
          rows,
          { limit: 100 },
        )
      : h("p", { class: "muted" }, t("没有行|No rows")),
  ];
}

function shown(value, column) {
  if (typeof value === "number" && isNumber(column)) return amount(value);
  if (typeof value === "boolean") return String(value);
  return h("span", { class: "clip", title: plain(value) }, plain(value));
}

function picture(first, numbers, rows) {
  const labels = rows.map((row) => plain(row[first.name]));
  const isDays = labels.every((label) => /^\d{4}-\d\d-\d\d$/.test(label));
  return chart(
    t("结果图：{list}|Chart of the result: {list}", { list: numbers.map((c) => c.name).join(", ") }),
    () => {
      const option = timeOption({ labels, kind: isDays ? "line" : "bar", format: short, series: numbers.map((c) => ({ name: c.name, values: rows.map((row) => (row[c.name] === null ? null : Number(row[c.name]))) })) });
      if (!isDays) option.xAxis.axisLabel.formatter = (label) => label;
      return option;
    },
    { height: 240 },
  );
}
