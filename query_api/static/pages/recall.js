// Recall: what messages brought back, against persons who were held out.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { number, rate } from "../format.js";
import { t } from "../i18n.js";
import { eventField, labelled, selector } from "../parts.js";
import { eventPicker } from "../pickers.js";
import { common, filterSection, panel } from "../report.js";
import { addressOf } from "../state.js";
import { notice, select, table, usersLink } from "../widgets.js";

const OUTCOMES = [
  ["opened", "打开消息|Opened"],
  ["active", "回访|Came back"],
  ["converted", "转化|Converted"],
];

export default function recall({ state, set, users }) {
  const converted = { event: "order_pay", ...(state.converted ?? {}) };
  const body = {
    ...common(state),
    converted: selector(converted),
    ...(state.active ? { active: { event: state.active } } : {}),
    window: { value: Number(state.window ?? 7), unit: "day" },
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("召回条件|Recall builder") },
      h(
        "div",
        { class: "builder-row" },
        labelled(t("回访行为|Came back means"), eventPicker(t("回访行为|Came back means"), state.active ?? "", (active) => set({ active: active || undefined }), { any: true })),
        eventField(t("转化行为|Conversion"), converted, state, (next) => set({ converted: next })),
        select(t("观察窗口|Window"), [1, 3, 7, 14, 30].map((n) => [n, t("{n} 天|{n} days", { n })]), state.window ?? 7, (n) => set({ window: n === "7" ? undefined : Number(n) })),
      ),
      filterSection(state, set, { compare: "" }),
    ),
    panel({
      title: t("召回|Recall"),
      report: "recall",
      body,
      wide: true,
      render: (answer) =>
        answer.result.rows.length
          ? view(answer.result.rows, body, users)
          : notice("empty", t("这段时间没有发送记录|No messages in this range"), t("在“设置 › 召回消息”导入发送记录，其中要有不发送的对照组。|Import a send log in Settings › Messages, with the persons held out."), h("a", { class: "button", href: addressOf("settings", { tab: "messages" }) }, t("去导入|Import"))),
    }),
  );
}

function view(rows, body, users) {
  const colors = palette();
  const open = (row, arm, metric, title) => users("recall", body, { campaign: row.campaign, arm, metric }, `${row.campaign} · ${title}`);
  const arms = { treated: t("发送|Treated"), hold_out: t("对照|Held out") };
  const counted = (row, arm, metric, title, share = "") => usersLink(number(row[arm][metric]), () => open(row, arm, metric, `${arms[arm]} · ${title}`), share);
  return [
    chart(
      t("转化提升：{list}|Uplift of the conversion: {list}", { list: rows.slice(0, 8).map((r) => `${r.campaign} ${points(r.uplift.converted.difference)}`).join(", ") }),
      () => {
        const shown = rows.slice(0, 15);
        const option = timeOption({ labels: shown.map((r) => r.campaign), kind: "bar", format: (v) => rate(v, 0), series: ["treated", "hold_out"].map((arm, i) => ({ name: arms[arm], key: arm, color: i ? colors[8] : colors[0], values: shown.map((r) => r[arm].converted_rate) })) });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: (list) => tip(shown[list[0].dataIndex].campaign, list.map((p) => [p.color, p.seriesName, rate(p.value)]), uplift(shown[list[0].dataIndex].uplift.converted)) });
        return option;
      },
      { height: 220, onClick: (p) => open(rows[p.dataIndex], ["treated", "hold_out"][p.seriesIndex], "converted", `${p.seriesName} · ${t("转化|Converted")}`) },
    ),
    rows.map((row) => [
      h("h3", { class: "sub" }, row.campaign),
      table(
        row.campaign,
        [
          { name: "arm", title: t("分组|Arm"), cell: (arm) => arms[arm] },
          { name: "sent", title: t("人数|Persons"), number: true, cell: (arm) => counted(row, arm, "sent", t("人数|Persons")) },
          { name: "delivered", title: t("送达|Delivered"), number: true, cell: (arm) => (arm === "hold_out" ? "–" : counted(row, arm, "delivered", t("送达|Delivered"), rate(row[arm].delivered_rate))) },
          ...OUTCOMES.map(([name, title]) => ({ name, title: t(title), number: true, cell: (arm) => counted(row, arm, name, t(title), rate(row[arm][`${name}_rate`])) })),
          { name: "ended", title: t("窗口已结束|Window over"), number: true, cell: (arm) => counted(row, arm, "window_ended", t("窗口已结束|Window over")) },
        ],
        ["treated", "hold_out"],
      ),
      h(
        "ul",
        { class: "uplifts" },
        OUTCOMES.map(([name, title]) => h("li", { dataset: { uplift: name } }, h("span", { class: "muted" }, `${t(title)} `), verdict(row.uplift[name]), " ", uplift(row.uplift[name]))),
      ),
    ]),
    h("p", { class: "legend" }, t("提升 = 发送组比例 − 对照组比例，分母是全部应发送的人（不管是否送达）；区间为 95%。区间跨过 0 时不能说有效。提升是两组之差，名单见上表的两组。|Uplift: rate of the treated minus that of those held out, over all meant to be sent to; 95 % interval. Where it spans 0, no effect is shown. It is the difference of the two arms above, which open their users.")),
  ];
}

const points = (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${number(value * 100, 1)} ${t("个百分点|points")}`);

function uplift({ difference, low, high, relative }) {
  if (difference === null) return t("缺少对照组|no one was held out");
  return `${points(difference)}  [${number(low * 100, 1)}, ${number(high * 100, 1)}]${relative === null ? "" : ` · ${t("相对|relative")} ${relative > 0 ? "+" : ""}${rate(relative)}`}`;
}

function verdict({ low, high }) {
  if (low === null) return null;
  if (low > 0) return h("span", { class: "badge good" }, t("有提升|higher"));
  if (high < 0) return h("span", { class: "badge bad" }, t("反而下降|lower"));
  return h("span", { class: "badge" }, t("看不出差别|no difference shown"));
}
