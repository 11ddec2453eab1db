// Funnel builder: steps, window, order, exclusions, held values; bars with times; breakdown; trend; users behind each bar.

import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { filterBuilder, forApi } from "../filters.js";
import { day, duration, number, rate, value } from "../format.js";
import { eventTitle, t } from "../i18n.js";
import { eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { common, filterSection, panel, wholeRange } from "../report.js";
import { button, check, iconButton, segmented, select, table, usersLink } from "../widgets.js";

const START = [{ event: "product_view" }, { event: "add_to_cart" }, { event: "order_submit" }, { event: "order_pay" }];

export default function funnel({ state, set, users }) {
  const steps = state.steps ?? START;
  const body = bodyOf(state, steps);
  return h(
    "div",
    { class: "page-stack" },
    builder(state, steps, set),
    panel({
      title: t("漏斗|Funnel"),
      report: "funnel",
      body,
      incomplete: t("至少选择两个步骤|Choose at least two steps"),
      wide: true,
      isEmpty: (answer) => answer.result.steps[0].users === 0,
      render: (answer) => [bars(answer.result.steps, body, users), groups(answer, body, users), trend(answer, body, users)],
    }),
  );
}

function bodyOf(state, steps) {
  if (steps.length < 2 || steps.some((s) => !(s.event || s.any_of?.every((a) => a.event)))) return null;
  const asked = steps.map((s) =>
    s.any_of
      ? { any_of: s.any_of.map((a) => selector(a)) }
      : selector(s),
  );
  const exclusions = (state.exclusions ?? []).filter((e) => e.event && e.from_step < e.to_step && e.to_step <= steps.length);
  return {
    ...common(state),
    steps: asked,
    window: { value: Math.max(1, Number(state.window_value ?? 1)), unit: state.window_unit ?? "day" },
    order: state.order ?? "ordered",
    ...(exclusions.length && (state.order ?? "ordered") !== "any" ? { exclusions } : {}),
    ...(state.hold ? { hold_constant: [state.hold] } : {}),
    ...(state.by ? { breakdown: [state.by], breakdown_limit: 8 } : {}),
    ...(state.by && state.by_at ? { breakdown_attribution: state.by_at } : {}),
    ...(state.trend ? { interval: state.trend } : {}),
    ...(state.identity ? { identity: state.identity } : {}),
  };
}

function selector({ event, filter }) {
  const asked = forApi(filter);
  return { event, ...(asked ? { filter: asked } : {}) };
}

// --- Builder -------------------------------------------------------------------

function builder(state, steps, set) {
  const setSteps = (next) => set({ steps: next });
  const at = (i, value) => steps.map((s, j) => (j === i ? value : s));
  return h(
    "section",
    { class: "builder", "aria-label": t("漏斗条件|Funnel builder") },
    h(
      "div",
      { class: "steps" },
      steps.map((step, i) =>
        h(
          "div",
          { class: "step" },
          h("span", { class: "step-number", "aria-hidden": "true" }, String(i + 1)),
          h(
            "div",
            { class: "step-main" },
            h("div", { class: "step-line" }, alternatives(step, i, (value) => setSteps(at(i, value)), state)),
          ),
          h(
            "div",
            { class: "step-tools" },
            i > 0 ? iconButton("down", t("上移步骤 {n}|Move step {n} up", { n: i + 1 }), () => setSteps(moved(steps, i)), { class: "icon-button turned" }) : null,
            steps.length > 2 ? iconButton("close", t("删除步骤 {n}|Remove step {n}", { n: i + 1 }), () => setSteps(steps.filter((_, j) => j !== i))) : null,
          ),
        ),
      ),
    ),
    h("div", {}, button(t("添加步骤|Add a step"), () => setSteps([...steps, { event: "" }]), { class: "button ghost small", icon: "plus" })),
    h(
      "div",
      { class: "builder-row" },
      windowFields(state, set),
      h(
        "div",
        { class: "field" },
        h("span", { class: "label" }, t("顺序|Order")),
        segmented(
          t("顺序|Order"),
          [
            ["ordered", t("依次|In order")],
            ["strict", t("紧邻|Strict")],
            ["any", t("任意|Any order")],
          ],
          state.order ?? "ordered",
          (order) => set({ order: order === "ordered" ? undefined : order }),
        ),
      ),
      h("div", { class: "field" }, h("span", { class: "label" }, t("分组查看|Breakdown")), fieldPicker(t("分组字段|Breakdown"), state.by, (by) => set({ by }), { none: t("不分组|None") })),
      state.by
        ? select(
            t("分组取值|Value of"),
            [["first", t("首个步骤|first step")], ["last", t("最后到达的步骤|last step reached")], ...steps.map((_, i) => [i + 1, t("步骤 {n}|step {n}", { n: i + 1 })])],
            state.by_at ?? "first",
            (value) => set({ by_at: value === "first" ? undefined : value === "last" ? "last" : Number(value) }),
          )
        : null,
      select(
        t("趋势|Trend"),
        [
          ["", t("不看趋势|none")],
          ["day", t("按天|by day")],
          ["week", t("按周|by week")],
          ["month", t("按月|by month")],
        ],
        state.trend ?? "",
        (trend) => set({ trend }),
      ),
    ),
    h(
      "details",
      { class: "more-options", open: Boolean(state.hold || state.exclusions?.length || state.identity) },
      h("summary", {}, t("更多选项：排除、关联属性、身份|More: exclusions, held property, identity")),
      h(
        "div",
        { class: "page-stack" },
        h("div", { class: "field" }, h("span", { class: "label" }, t("各步骤该属性相同|Steps share the value of")), h("div", {}, fieldPicker(t("关联属性|Held property"), state.hold, (hold) => set({ hold }), { none: t("不限制|any") }))),
        exclusions(state, steps, set),
        check(t("严格身份：绑定之前的行为不归到登录用户|Strict identity: events before a binding stay with the device"), state.identity === "strict", (on) => set({ identity: on ? "strict" : undefined })),
      ),
    ),
    filterSection(state, set),
  );
}

const moved = (steps, i) => steps.map((s, j) => (j === i - 1 ? steps[i] : j === i ? steps[i - 1] : s));

function alternatives(step, i, onChange, state) {
  const list = step.any_of ?? [step];
  const write = (next) => onChange(next.length === 1 ? next[0] : { any_of: next });
  return [
    list.map((one, j) => [
      j > 0 ? h("span", { class: "muted" }, t("或|or")) : null,
      eventPicker(t("步骤 {n} 的事件|Event of step {n}", { n: i + 1 }), one.event || "", (event) => write(list.map((a, k) => (k === j ? { event } : a)))),
      j > 0 ? iconButton("close", t("去掉这个事件|Remove this event"), () => write(list.filter((_, k) => k !== j))) : null,
      one.filter || list.length === 1 ? filterBuilder(t("步骤 {n} 的条件|Conditions of step {n}", { n: i + 1 }), one.filter, (filter) => write(list.map((a, k) => (k === j ? { event: a.event, filter } : a))), { event: one.event, common: wholeRange(state), depth: 3 }) : null,
    ]),
    button(t("或其他事件|or another event"), () => write([...list, { event: "" }]), { class: "button ghost small" }),
  ];
}

function windowFields(state, set) {
  const input = h("input", {
    class: "input narrow",
    type: "number",
    min: 1,
    max: 366,
    value: state.window_value ?? 1,
    "aria-label": t("转化窗口|Conversion window"),
    onChange: () => set({ window_value: Math.max(1, Number(input.value) || 1) }),
  });
  return h(
    "div",
    { class: "field" },
    h("span", { class: "label" }, t("转化窗口|Conversion window")),
    h(
      "div",
      { class: "row" },
      input,
      select(
        t("单位|Unit"),
        [
          ["minute", t("分钟|minutes")],
          ["hour", t("小时|hours")],
          ["day", t("天|days")],
        ],
        state.window_unit ?? "day",
        (unit) => set({ window_unit: unit }),
        { hidden: true },
      ),
    ),
  );
}

function exclusions(state, steps, set) {
  const list = state.exclusions ?? [];
  const write = (next) => set({ exclusions: next.length ? next : undefined });
  const options = steps.map((_, i) => [i + 1, t("步骤 {n}|step {n}", { n: i + 1 })]);
  const change = (i, part) => write(list.map((e, j) => (j === i ? { ...e, ...part } : e)));
  return h(
    "div",
    { class: "field" },
    h("span", { class: "label" }, t("排除：两步之间出现该事件则不算|Exclude chains with this event between two steps")),
    list.map((one, i) =>
      h(
        "div",
        { class: "step-line" },
        eventPicker(t("排除的事件|Excluded event"), one.event, (event) => change(i, { event })),
        select(t("从|from"), options, one.from_step, (value) => change(i, { from_step: Number(value) }), { hidden: true }),
        select(t("到|to"), options, one.to_step, (value) => change(i, { to_step: Number(value) }), { hidden: true }),
        iconButton("close", t("删除排除|Remove"), () => write(list.filter((_, j) => j !== i))),
      ),
    ),
    h("div", {}, button(t("添加排除|Add an exclusion"), () => write([...list, { event: "", from_step: 1, to_step: steps.length }]), { class: "button ghost small", icon: "plus" })),
  );
}

// --- Answer --------------------------------------------------------------------

function nameOf(step) {
  return step.event.split(" | ").map((name) => eventTitle(name) || name).join(" / ");
}

function bars(steps, body, users, color) {
  const last = steps[steps.length - 1];
  const total = steps.reduce((sum, s) => sum + (s.median_ms_from_previous ?? 0), 0);
  return [
    h(
      "div",
      { class: "summary" },
      h("div", {}, h("span", { class: "label" }, t("总转化率|Conversion")), h("span", { class: "value", dataset: { figure: "conversion" } }, rate(last.rate_from_first))),
      h("div", {}, h("span", { class: "label" }, t("进入|Entered")), h("span", { class: "value" }, number(steps[0].users))),
      h("div", {}, h("span", { class: "label" }, t("完成|Completed")), h("span", { class: "value" }, number(last.users))),
      h("div", {}, h("span", { class: "label" }, t("完成用时中位数|Median time")), h("span", { class: "value" }, duration(last.median_ms_from_first ?? total))),
    ),
    h(
      "ol",
      { class: "funnel", "aria-label": t("漏斗步骤|Steps of the funnel") },
      steps.map((step, i) =>
        h(
          "li",
          {},
          i > 0
            ? h(
                "div",
                { class: "funnel-between" },
                h(
                  "div",
                  {},
                  h("span", {}, t("转化|converted"), " ", h("b", {}, rate(step.rate_from_previous))),
                  h("span", {}, t("流失|dropped"), " ", usersLink(number(step.dropped), () => users("funnel", body, { step: step.step, dropped: true }, t("在“{name}”前流失|Dropped before {name}", { name: nameOf(step) })))),
                  h("span", {}, t("用时中位数|median"), " ", h("b", {}, duration(step.median_ms_from_previous))),
                  h("span", {}, t("平均|average"), " ", duration(step.average_ms_from_previous)),
                ),
              )
            : null,
          h(
            "div",
            { class: "funnel-step", dataset: { step: step.step } },
            h("div", { class: "funnel-name" }, h("span", { class: "step-number", "aria-hidden": "true" }, String(step.step)), h("span", {}, nameOf(step), eventTitle(step.event) ? h("small", {}, step.event) : null)),
            h("div", { class: "funnel-track", "aria-hidden": "true" }, h("div", { class: "funnel-bar", style: { width: `${(step.rate_from_first ?? 0) * 100}%`, ...(color ? { "--bar": color } : {}) } })),
            h("div", { class: "funnel-figures" }, h("b", {}, usersLink(number(step.users), () => users("funnel", body, { step: step.step }, nameOf(step)))), " ", h("span", { class: "muted" }, t("占首步 {rate}|{rate} of first", { rate: rate(step.rate_from_first) }))),
          ),
        ),
      ),
    ),
  ];
}

function groups(answer, body, users) {
  const list = answer.result.groups;
  if (!list) return null;
  const [field] = body.breakdown;
  const name = (g) => (g.other ? t("其他|Other") : value(field, g.breakdown[field]));
  const cell = (g) => (g.other ? { other: true } : { breakdown: g.breakdown });
  const steps = answer.result.steps;
  return [
    h("h3", { class: "sub" }, t("按 {field} 分组|By {field}", { field: fieldFace(field) })),
    table(
      t("各组转化|Conversion by group"),
      [
        { name: "group", title: fieldFace(field), cell: name, value: name },
        ...steps.map((step, i) => ({
          name: `s${i}`,
          title: `${i + 1} ${nameOf(step)}`,
          number: true,
          value: (g) => g.steps[i].users,
          cell: (g) => [usersLink(number(g.steps[i].users), () => users("funnel", body, { step: i + 1, ...cell(g) }, `${name(g)} · ${nameOf(step)}`)), i ? h("span", { class: "muted" }, ` ${rate(g.steps[i].rate_from_previous)}`) : null],
        })),
        { name: "total", title: t("总转化率|Conversion"), number: true, value: (g) => g.steps[steps.length - 1].rate_from_first, cell: (g) => rate(g.steps[steps.length - 1].rate_from_first) },
        { name: "time", title: t("用时中位数|Median time"), number: true, value: (g) => g.steps[steps.length - 1].median_ms_from_first, cell: (g) => duration(g.steps[steps.length - 1].median_ms_from_first) },
      ],
      list,
    ),
  ];
}

function trend(answer, body, users) {
  const { points } = answer.result;
  if (!points) return null;
  const last = answer.result.steps.length - 1;
  const labels = points.map((p) => p.time);
  const immature = points.findIndex((p) => !p.mature);
  const colors = palette();
  return [
    h("h3", { class: "sub" }, t("按进入时间的总转化率|Conversion by entry date")),
    chart(
      t("总转化率趋势|Trend of the conversion"),
      () =>
        timeOption({
          labels,
          format: (v) => rate(v),
          partial: immature < 0 ? labels.length : immature,
          series: [{ name: t("总转化率|Conversion"), values: points.map((p) => p.steps[last].rate_from_first), color: colors[0] }],
        }),
      { height: 220, onClick: (p) => users("funnel", body, { step: last + 1, time: labels[p.dataIndex] }, `${nameOf(answer.result.steps[last])} ${day(labels[p.dataIndex], true)}`) },
    ),
    immature >= 0 ? h("p", { class: "legend" }, t("虚线部分的转化窗口尚未结束|Dotted: the window has not ended yet")) : null,
  ];
}
