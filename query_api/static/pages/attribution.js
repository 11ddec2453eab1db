// Attribution: which touches the conversions are due to, under several models side by side.

import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h } from "../dom.js";
import { fixed, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { against, breakdownField, brokenDown, eventField, figures, labelled, ofRange, rowCell, rowName, selector, unique } from "../parts.js";
import { eventFace, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel } from "../report.js";
import { button, check, iconButton, segmented, select, table, usersLink } from "../widgets.js";
import { withBar } from "./overview.js";

const MODELS = [
  ["first", "首次触点|First touch"],
  ["last", "末次触点|Last touch"],
  ["linear", "线性|Linear"],
  ["position", "位置（首末各 40%）|Position (40-20-40)"],
  ["time_decay", "时间衰减|Time decay"],
];
const START_MODELS = ["last", "first", "linear"];
const START_TOUCHES = [{ event: "app_show" }];

export default function attribution({ state, set, users }) {
  const target = { event: "order_pay", ...(state.target ?? {}) };
  const touches = state.touches ?? START_TOUCHES;
  const models = state.models ?? START_MODELS;
  const by = state.breakdown ?? (state.touches ? [] : ["scene_group"]);
  const value = state.value ?? (target.event === "order_pay" ? "properties.amount" : "");
  const whole = touches.filter((touch) => touch.event);
  const body =
    whole.length && target.event
      ? {
          ...common(state),
          target: selector(target),
          ...(value && value !== "none" ? { value } : {}),
          touches: whole.map(selector),
          models,
          lookback: { value: Number(state.lookback ?? 30), unit: "day" },
          ...(models.includes("time_decay") ? { half_life: { value: Number(state.half_life ?? 7), unit: "day" } } : {}),
          ...(state.shared ? { shared_property: { touch: state.shared, target: state.shared } } : {}),
          ...brokenDown(by, 20),
          ...compared(state),
        }
      : null;
  const shown = state.shown === "value" && body?.value ? "value" : "conversions";
  return h(
    "div",
    { class: "page-stack" },
    builder({ state, set, target, touches, models, by, value }),
    panel({
      title: t("归因|Attribution"),
      report: "attribution",
      body,
      incomplete: t("选择目标和至少一个触点|Choose the target and at least one touch"),
      wide: true,
      actions: body?.value
        ? [
            segmented(
              t("看什么|What is shown"),
              [
                ["conversions", t("转化数|Conversions")],
                ["value", t("金额|Value")],
              ],
              shown,
              (chosen) => set({ shown: chosen === "conversions" ? undefined : chosen }),
            ),
          ]
        : [],
      isEmpty: (answer) => answer.result.total.targets === 0,
      render: (answer) => view(answer.result, body, by, shown, users),
    }),
  );
}

function builder({ state, set, target, touches, models, by, value }) {
  const write = (next) => set({ touches: next });
  const at = (i, touch) => write(touches.map((other, j) => (j === i ? touch : other)));
  return h(
    "section",
    { class: "builder", "aria-label": t("归因条件|Attribution builder") },
    h(
      "div",
      { class: "builder-row" },
      eventField(t("目标转化|Target"), target, state, (next) => set({ target: next, value: undefined })),
      labelled(t("金额字段|Value"), fieldPicker(t("金额字段|Value"), value === "none" ? "" : value, (field) => set({ value: field || "none" }), { event: target.event, numbers: true, none: t("不计金额|none") })),
    ),
    labelled(
      t("触点：目标之前的这些行为|Touches: what came before the target"),
      h(
        "div",
        { class: "steps" },
        touches.map((touch, i) =>
          h(
            "div",
            { class: "step" },
            h("span", { class: "step-number", "aria-hidden": "true" }, String(i + 1)),
            h("div", { class: "step-line" }, eventField(t("触点 {n}|Touch {n}", { n: i + 1 }), touch, state, (next) => at(i, next))),
            touches.length > 1 ? iconButton("close", t("删除触点 {n}|Remove touch {n}", { n: i + 1 }), () => write(touches.filter((_, j) => j !== i))) : h("span"),
          ),
        ),
        h("div", {}, button(t("添加触点|Add a touch"), () => write([...touches, { event: "" }]), { class: "button ghost small", icon: "plus" })),
      ),
    ),
    labelled(
      t("归因模型|Models"),
      h("div", { class: "row" }, MODELS.map(([name, text]) => check(t(text), models.includes(name), (on) => set({ models: unique(on ? [...models, name] : models.filter((m) => m !== name)) })))),
    ),
    h(
      "div",
      { class: "builder-row" },
      select(t("回溯期|Lookback"), [1, 3, 7, 14, 30, 60, 90].map((n) => [n, t("{n} 天|{n} days", { n })]), state.lookback ?? 30, (n) => set({ lookback: n === "30" ? undefined : Number(n) })),
      models.includes("time_decay") ? select(t("半衰期|Half-life"), [1, 3, 7, 14].map((n) => [n, t("{n} 天|{n} days", { n })]), state.half_life ?? 7, (n) => set({ half_life: n === "7" ? undefined : Number(n) })) : null,
      breakdownField(by, (breakdown) => set({ breakdown: breakdown ?? [] })),
      labelled(t("触点与目标相同的属性|Property that touch and target share"), fieldPicker(t("触点与目标相同的属性|Property that touch and target share"), state.shared, (shared) => set({ shared: shared || undefined }), { none: t("不限制|any") })),
    ),
    filterSection(state, set),
  );
}

function view(result, body, by, shown, users) {
  const { total, rows } = result;
  const before = result.compare?.total;
  const many = body.touches.length > 1;
  const name = (row) => (row.direct ? t("直接转化（没有触点）|Direct (no touch)") : [many || !by.length ? eventFace(row.event) : "", rowName(row, by)].filter(Boolean).join(" · "));
  const cell = (row) => (row.direct ? { direct: true } : { touch: row.touch, ...rowCell(row, by) });
  const open = (row, model) => users("attribution", body, { ...cell(row), ...(model ? { model } : {}) }, [name(row), model ? title(model) : ""].filter(Boolean).join(" · "));
  const title = (model) => t(MODELS.find(([m]) => m === model)[1]);
  const show = shown === "value" ? fixed : (v) => fixed(v, 1);
  const whole = total.models[body.models[0]][shown];
  const most = Math.max(1e-9, ...rows.map((row) => row.models[body.models[0]][shown]));
  const colors = palette();
  const listed = rows.slice(0, 12);
  const direct = rows.find((row) => row.direct);
  return [
    figures([
      ["targets", t("转化次数|Conversions"), against(number, total.targets, before?.targets, { open: (isBefore) => users("attribution", ofRange(body, isBefore), {}, t("转化次数|Conversions")) })],
      ["users", t("转化用户|Users"), against(number, total.users, before?.users, { open: (isBefore) => users("attribution", ofRange(body, isBefore), {}, t("转化用户|Users")) })],
      body.value ? ["value", t("转化金额|Value"), against(fixed, total.models[body.models[0]].value, before?.models[body.models[0]].value, { open: (isBefore) => users("attribution", ofRange(body, isBefore), {}, t("转化用户|Users")) })] : null,
      ["direct", t("直接转化|Direct"), usersLink(rate(total.targets ? (direct?.targets ?? 0) / total.targets : null), () => users("attribution", body, { direct: true }, t("直接转化|Direct")))],
    ]),
    chart(
      t("各触点在不同模型下的{what}：{list}|{what} of each touch by model: {list}", { what: shown === "value" ? t("金额|Value") : t("转化数|Conversions"), list: listed.map((row) => `${name(row)} ${show(row.models[body.models[0]][shown])}`).join(", ") }),
      () => {
        const option = timeOption({ labels: listed.map(name), kind: "bar", format: (v) => number(v), unit: shown === "value" ? t("转化金额|Value") : t("转化数|Conversions"), series: body.models.map((model, i) => ({ name: title(model), key: model, color: colors[i], values: listed.map((row) => row.models[model][shown]) })) });
        option.xAxis.axisLabel = { ...option.xAxis.axisLabel, formatter: (text) => text, interval: 0, width: 90, overflow: "truncate" };
        option.tooltip = tooltip({ trigger: "axis", formatter: (points) => tip(name(listed[points[0].dataIndex]), points.map((p) => [p.color, p.seriesName, show(p.value)])) });
        return option;
      },
      { height: 280, onClick: (p) => open(listed[p.dataIndex], body.models[p.seriesIndex]) },
    ),
    table(
      t("触点贡献|Contribution of touches"),
      [
        { name: "touch", title: t("触点|Touch"), cell: (row) => withBar(name(row), row.models[body.models[0]][shown] / most), value: name },
        { name: "users", title: t("转化用户|Users"), number: true, value: (row) => row.users, cell: (row) => usersLink(number(row.users), () => open(row)) },
        { name: "targets", title: t("涉及转化|Conversions touched"), number: true, value: (row) => row.targets, cell: (row) => usersLink(number(row.targets), () => open(row)) },
        ...body.models.map((model) => ({
          name: model,
          title: title(model),
          number: true,
          value: (row) => row.models[model][shown],
          cell: (row) => usersLink(show(row.models[model][shown]), () => open(row, model), rate(whole ? row.models[model][shown] / whole : null)),
        })),
      ],
      rows,
    ),
    h("p", { class: "legend" }, t("每个模型下各行相加都等于合计 {n}；“涉及转化”会重复计数。点击份额，看它来自哪些转化用户。|Under each model the rows add up to {n}; “conversions touched” counts one under every touch it had. A credit opens the users of whose conversions it is.", { n: show(whole) })),
  ];
}
