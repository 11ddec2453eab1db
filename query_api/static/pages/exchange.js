// Exchange of traffic: which partners' programs send users here, and to which users are sent.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { fixed, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, figures, labelled, ofRange, rowName } from "../parts.js";
import { eventPicker, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { table, usersLink } from "../widgets.js";

export default function exchange({ state, set, users }) {
  const conversion = state.conversion ?? "order_pay";
  const value = state.value ?? (conversion === "order_pay" ? "properties.amount" : "");
  const by = (state.breakdown ?? []).slice(0, 1);
  const body = {
    ...common(state),
    conversion: { event: conversion },
    ...(value ? { value } : {}),
    ...(state.out ? { out: { event: state.out } } : {}),
    ...(state.out_field ? { out_field: state.out_field } : {}),
    ...brokenDown(by, 20),
    ...compared(state),
  };
  return h(
    "div",
    { class: "page-stack" },
    h(
      "section",
      { class: "builder", "aria-label": t("换量条件|Exchange builder") },
      h(
        "div",
        { class: "builder-row" },
        labelled(t("跳出事件|Event of leaving"), eventPicker(t("跳出事件|Event of leaving"), state.out ?? "navigate_to_mini_program", (out) => set({ out: out === "navigate_to_mini_program" ? undefined : out }))),
        labelled(t("目标小程序字段|Field of the target"), fieldPicker(t("目标小程序字段|Field of the target"), state.out_field ?? "properties.target_app_id", (field) => set({ out_field: field === "properties.target_app_id" ? undefined : field }), { event: state.out })),
        labelled(t("转化行为|Conversion"), eventPicker(t("转化行为|Conversion"), conversion, (event) => set({ conversion: event === "order_pay" ? undefined : event, value: undefined }))),
        labelled(t("转化金额|Value"), fieldPicker(t("转化金额|Value"), value, (field) => set({ value: field || undefined }), { event: conversion, numbers: true, none: t("不计金额|none") })),
        breakdownField(by, (breakdown) => set({ breakdown }), 1),
      ),
      filterSection(state, set),
    ),
    panel({
      title: t("换量|Exchange"),
      report: "exchange",
      body,
      wide: true,
      isEmpty: (answer) => answer.result.rows.length === 0,
      render: (answer) => view(answer.result, body, by, users),
    }),
  );
}

function view({ rows, total, compare }, body, by, users) {
  const name = (r) => (r.other ? t("其他|Other") : [r.partner_app_id, by.length ? rowName(r, by) : ""].filter(Boolean).join(" · "));
  const cell = (r, metric) => (r.other ? { metric, other: true } : { metric, partner_app_id: r.partner_app_id, ...(by.length ? { breakdown: r.breakdown } : {}) });
  const userColumn = (key, title, { metric = key, show = number } = {}) => ({ name: key, title, number: true, value: (r) => r[key], cell: (r) => usersLink(show(r[key]), () => users("exchange", body, cell(r, metric), `${name(r)} · ${title}`)) });
  const nextDay = userColumn("next_day_retention", t("次日留存|Next day"), { metric: "next_day_returned", show: rate });
  const figure = (metric, title) => [metric, title, against(number, total[metric], compare?.total[metric], { open: (isBefore) => users("exchange", ofRange(body, isBefore), { metric }, title) })];
  const colors = palette();
  const shown = rows.slice(0, 15);
  const kinds = [
    ["users_in", t("导入用户|Users in")],
    ["users_out", t("导出用户|Users out")],
  ];
  return [
    figures([figure("users_in", t("导入用户|Users in")), figure("new_users", t("新用户|New users")), figure("converters", t("转化用户|Converted")), figure("users_out", t("导出用户|Users out")), figure("users_both", t("双向用户|Both ways"))]),
    chart(
      t("各伙伴的导入与导出：{list}|Users in and out by partner: {list}", { list: shown.slice(0, 8).map((r) => `${name(r)} ${number(r.users_in)}/${number(r.users_out)}`).join(", ") }),
      () => {
        const option = timeOption({ labels: shown.map(name), kind: "bar", format: (v) => number(v), unit: t("用户|Users"), series: kinds.map(([key, title], i) => ({ name: title, key, color: colors[i], values: shown.map((r) => r[key]) })) });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: (points) => tip(name(shown[points[0].dataIndex]), points.map((p) => [p.color, p.seriesName, number(p.value)])) });
        return option;
      },
      { height: 240, onClick: (p) => users("exchange", body, cell(shown[p.dataIndex], kinds[p.seriesIndex][0]), `${name(shown[p.dataIndex])} · ${kinds[p.seriesIndex][1]}`) },
    ),
    table(
      t("各伙伴|Partners"),
      [
        { name: "partner", title: t("伙伴小程序|Partner"), cell: (r) => [h("code", {}, name(r)), r.is_own ? h("span", { class: "badge" }, t("自有|own")) : null], value: name },
        userColumn("users_in", t("导入用户|Users in")),
        userColumn("new_users", t("新用户|New")),
        { ...nextDay, cell: (r) => h("span", { title: `${number(r.next_day_returned)} / ${number(r.next_day_eligible)}` }, nextDay.cell(r)) },
        userColumn("converters", t("转化用户|Converted")),
        userColumn("conversion_rate", t("转化率|Conversion"), { metric: "converters", show: rate }),
        ...(body.value ? [userColumn("conversion_value", t("转化金额|Value"), { metric: "converters", show: fixed })] : []),
        userColumn("users_out", t("导出用户|Users out")),
        userColumn("users_both", t("双向用户|Both ways")),
        { name: "balance", title: t("差额|Balance"), number: true, value: (r) => r.balance, cell: (r) => (r.balance > 0 ? `+${number(r.balance)}` : number(r.balance)) },
      ],
      rows,
      { limit: 50 },
    ),
    h("p", { class: "legend" }, t("导入由平台告知来源小程序；导出由客户端在跳转时上报，对方那边的结果只有对方知道，所以差额只比较人数：它是导入与导出之差，名单见这两列。|The platform tells who comes from where; leaving is recorded by the client. What becomes of users there only the partner knows, so the balance compares people alone: it is users in minus users out, which open their lists.")),
  ];
}
