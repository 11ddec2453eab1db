// Funnel builder: steps, window, order, exclusions, held values; bars with times; breakdown; trend; users behind each bar.

import { schema } from "../api.js";
import { chart, palette, timeOption } from "../charts.js";
import { h } from "../dom.js";
import { filterBuilder, forApi } from "../filters.js";
import { day, duration, number, rate } from "../format.js";
import { eventTitle, t } from "../i18n.js";
import { against, breakdownField, brokenDown, differences, figures, forWhom, ofRange, presetChecks, presetField, presetTitle, rowCell, rowName } from "../parts.js";
import { eventPicker, fieldFace, fieldPicker } from "../pickers.js";
import { common, compared, filterSection, panel, wholeRange } from "../report.js";
import { button, check, fold, iconButton, segmented, select, table, usersLink } from "../widgets.js";

const START = [{ event: "product_view" }, { event: "add_to_cart" }, { event: "order_submit" }, { event: "order_pay" }];

/** Up to four events that were seen, from the most frequent to the rarest: where the usual ones are missing. */
async function seenSteps() {
  const seen = (await schema()).filter((e) => !/^(user_|identify$|app_hide$|page_leave$)/.test(e.event)).sort((a, b) => b.events - a.events);
  return seen.slice(0, 4).map(({ event }) => ({ event }));
}

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
      emptyAction: state.steps ? null : button(t("用见过的事件搭一个漏斗|Build one from the events seen"), async () => set({ steps: await seenSteps() }), { class: "button primary" }),
      render: (answer) => [bars(answer.result, body, users), forWhom(t("对谁流失？|For whom?"), breakdownOf(state), (breakdown) => set({ breakdown, by: undefined })), groups(answer, body, users), trend(answer, body, users), semanticsTable(answer.result, body, users)],
    }),
  );
}

const breakdownOf = (state) => state.breakdown ?? (state.by ? [state.by] : []);

function bodyOf(state, steps) {
  if (steps.length < 2 || steps.some((s) => !(s.event || s.any_of?.every((a) => a.event)))) return null;
  const order = state.order ?? "ordered";
  const asked = steps.map((s, i) => ({
    ...(s.any_of ? { any_of: s.any_of.map((a) => selector(a)) } : selector(s)),
    ...(s.optional && order !== "any" && i > 0 && i < steps.length - 1 ? { optional: true } : {}),
  }));
  const exclusions = (state.exclusions ?? []).filter((e) => e.event && e.from_step < e.to_step && e.to_step <= steps.length);
  const hasWindow = state.window_value !== undefined || state.window_unit !== undefined;
  const by = breakdownOf(state);
  const axes = Object.fromEntries(AXES.map(([name]) => [name, state[name]]).filter(([, value]) => value));
  return {
    ...common(state),
    steps: asked,
    // What is not chosen is left to the preset, else to the default: one day, in order.
    ...(hasWindow ? { window: { value: Math.max(1, Number(state.window_value ?? 1)), unit: state.window_unit ?? "day" } } : {}),
    ...(state.order ? { order: state.order } : {}),
    ...(exclusions.length && order !== "any" ? { exclusions } : {}),
    ...(state.hold ? { hold_constant: [state.hold] } : {}),
    ...brokenDown(by, 8),
    ...(by.length && state.by_at ? { breakdown_attribution: state.by_at } : {}),
    ...(state.trend ? { interval: state.trend } : {}),
    ...(state.identity ? { identity: state.identity } : {}),
    ...axes,
    ...(state.preset ? { preset: state.preset } : {}),
    ...(state.semantics?.length ? { compare_semantics: state.semantics } : {}),
    ...(state.next ? { dropped_next: 5 } : {}),
    ...compared(state),
  };
}

/** Axes of a funnel's meaning that may be chosen: name, title, values with titles. */
const AXES = [
  ["entry", "从哪次进入算起|Which entry counts", [["best", "最深的一次|the best"], ["first", "首次进入|the first"]]],
  ["ties", "同一时刻的事件|Events of one instant", [["order", "按上报顺序|in their order"], ["apart", "不算转化|do not convert"], ["any", "任意先后|in any order"], ["any_of_day", "同一天任意先后|any order within a day"]]],
  ["window_counts", "窗口怎么数|The window counts", [["elapsed", "按时长|time"], ["calendar_days", "按自然日|calendar days"]]],
  ["exclusion_effect", "排除的作用|An exclusion takes out", [["chain", "这次转化|the chain"], ["user", "这个用户|the user"]]],
];

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
            h(
              "div",
              { class: "step-line" },
              alternatives(step, i, (value) => setSteps(at(i, value)), state),
              i > 0 && i < steps.length - 1 && state.order !== "any" ? check(t("可跳过|optional"), Boolean(step.optional), (on) => setSteps(at(i, { ...step, optional: on || undefined }))) : null,
            ),
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
      breakdownField(breakdownOf(state), (breakdown) => set({ breakdown, by: undefined })),
      breakdownOf(state).length
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
    fold(
      "more",
      t("更多选项：排除、关联属性、口径预设、流失去向|More: exclusions, held property, semantics, where users went"),
      h(
        "div",
        { class: "page-stack" },
        h("div", { class: "field" }, h("span", { class: "label" }, t("各步骤该属性相同|Steps share the value of")), h("div", {}, fieldPicker(t("关联属性|Held property"), state.hold, (hold) => set({ hold }), { none: t("不限制|any") }))),
        exclusions(state, steps, set),
        check(t("看流失的用户接着做了什么|Show what those who dropped did next"), state.next === true, (on) => set({ next: on || undefined })),
        h(
          "div",
          { class: "builder-row" },
          presetField(state.preset, (preset) => set({ preset })),
          AXES.map(([name, title, values]) => select(t(title), [["", t("按预设|as the preset")], ...values.map(([v, text]) => [v, t(text)])], state[name] ?? "", (value) => set({ [name]: value || undefined }))),
        ),
        presetChecks(state.semantics, (semantics) => set({ semantics })),
        check(t("严格身份：绑定之前的行为不归到登录用户|Strict identity: events before a binding stay with the device"), state.identity === "strict", (on) => set({ identity: on ? "strict" : undefined })),
      ),
      { open: Boolean(state.hold || state.exclusions?.length || state.identity || state.preset || state.semantics || state.next || AXES.some(([name]) => state[name])) },
    ),
    filterSection(state, set),
  );
}

const moved = (steps, i) => steps.map((s, j) => (j === i - 1 ? steps[i] : j === i ? steps[i - 1] : s));

function alternatives(step, i, onChange, state) {
  const list = step.any_of ?? [step];
  const optional = step.optional ? { optional: true } : {};
  const write = (next) => onChange({ ...(next.length === 1 ? next[0] : { any_of: next }), ...optional });
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
    value: state.window_value ?? (state.preset ? "" : 1),
    placeholder: state.preset ? t("按预设|as preset") : "",
    "aria-label": t("转化窗口|Conversion window"),
    onChange: () => set({ window_value: input.value === "" ? undefined : Math.max(1, Number(input.value) || 1) }),
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

function bars({ steps, compare }, body, users) {
  const before = compare?.steps;
  const last = steps[steps.length - 1];
  const end = before?.[steps.length - 1];
  // A rate and a time of a step are those of the users who reached it.
  const reached = (step) => (isBefore) => users("funnel", ofRange(body, isBefore), { step: step.step }, nameOf(step));
  const leak = Math.max(...steps.filter((s) => !s.optional).map((s) => s.dropped ?? 0));
  const total = steps.reduce((sum, s) => sum + (s.median_ms_from_previous ?? 0), 0);
  return [
    figures([
      ["conversion", t("总转化率|Conversion"), against(rate, last.rate_from_first, end?.rate_from_first, { open: reached(last) })],
      ["entered", t("进入|Entered"), against(number, steps[0].users, before?.[0].users, { open: reached(steps[0]) })],
      ["completed", t("完成|Completed"), against(number, last.users, end?.users, { open: reached(last) })],
      ["time", t("完成用时中位数|Median time"), usersLink(duration(last.median_ms_from_first ?? total), () => reached(last)(false))],
    ]),
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
                  h("span", {}, t("转化|converted"), " ", h("b", {}, usersLink(rate(step.rate_from_previous), () => reached(step)(false)))),
                  before ? h("span", {}, t("前期转化|before"), " ", usersLink(rate(before[i].rate_from_previous), () => reached(step)(true))) : null,
                  step.optional ? null : h("span", {}, t("流失|dropped"), " ", usersLink(number(step.dropped), () => users("funnel", body, { step: step.step, dropped: true }, t("在“{name}”前流失|Dropped before {name}", { name: nameOf(step) }))), leak > 0 && step.dropped === leak ? [" ", h("span", { class: "badge bad leak" }, t("流失最多|the largest leak"))] : null),
                  h("span", {}, t("用时中位数|median"), " ", h("b", {}, usersLink(duration(step.median_ms_from_previous), () => reached(step)(false)))),
                  h("span", {}, t("平均|average"), " ", usersLink(duration(step.average_ms_from_previous), () => reached(step)(false))),
                  step.dropped_next?.length ? nextOf(step, body, users) : null,
                ),
              )
            : null,
          h(
            "div",
            { class: "funnel-step", dataset: { step: step.step } },
            h("div", { class: "funnel-name" }, h("span", { class: "step-number", "aria-hidden": "true" }, String(step.step)), h("span", {}, nameOf(step), step.optional ? [" ", h("span", { class: "badge" }, t("可跳过|optional"))] : null, eventTitle(step.event) ? h("small", {}, step.event) : null)),
            h("div", { class: "funnel-track", "aria-hidden": "true" }, h("div", { class: "funnel-bar", style: { width: `${(step.rate_from_first ?? 0) * 100}%` } })),
            h("div", { class: "funnel-figures" }, h("b", {}, usersLink(number(step.users), () => reached(step)(false))), " ", usersLink(t("占首步 {rate}|{rate} of first", { rate: rate(step.rate_from_first) }), () => reached(step)(false))),
          ),
        ),
      ),
    ),
  ];
}

/** What those who dropped did next, each with its users. */
function nextOf(step, body, users) {
  const title = t("在“{name}”前流失|Dropped before {name}", { name: nameOf(step) });
  return h(
    "span",
    { class: "next" },
    t("流失后：|then: "),
    step.dropped_next.map((one, i) => {
      const name = one.event === null ? t("没有其他事件|nothing") : eventTitle(one.event) || one.event;
      return [i ? t("、|, ") : "", `${name} `, usersLink(number(one.users), () => users("funnel", body, { step: step.step, dropped: true, next_event: one.event }, `${title} → ${name}`), rate(one.share))];
    }),
    step.dropped_next_other ? [t("、|, "), t("其他|other"), " ", usersLink(number(step.dropped_next_other), () => users("funnel", body, { step: step.step, dropped: true, next_other: true }, `${title} → ${t("其他|other")}`))] : null,
  );
}

/** The same funnel as other products mean it. */
function semanticsTable({ steps, compare_semantics: others }, body, users) {
  if (!others) return null;
  const own = { preset: "", steps };
  const open = (r, step) => users("funnel", body, { step: step.step, ...(r.preset ? { preset: r.preset } : {}) }, `${r.preset ? `${presetTitle(r.preset)} · ` : ""}${nameOf(step)}`);
  return [
    h("h3", { class: "sub" }, t("其他产品口径下的同一漏斗|The same funnel as other products mean it")),
    table(
      t("口径对比|Semantics compared"),
      [
        { name: "preset", title: t("口径|Semantics"), cell: (r) => (r.preset ? presetTitle(r.preset) : body.preset ? `${t("当前|this")} (${presetTitle(body.preset)})` : t("当前|this")) },
        ...steps.map((step, i) => ({ name: `s${i}`, title: `${i + 1} ${nameOf(step)}`, number: true, cell: (r) => usersLink(number(r.steps[i].users), () => open(r, step)) })),
        { name: "total", title: t("总转化率|Conversion"), number: true, cell: (r) => usersLink(rate(r.steps[steps.length - 1].rate_from_first), () => open(r, steps[steps.length - 1])) },
        { name: "differs", title: t("不同之处|What differs"), cell: (r) => (r.preset ? differences(r) : "") },
      ],
      [own, ...others],
    ),
  ];
}

function groups(answer, body, users) {
  const list = answer.result.groups;
  if (!list) return null;
  const by = body.breakdown;
  const field = by.map(fieldFace).join(" / ");
  const name = (g) => rowName(g, by);
  const steps = answer.result.steps;
  const open = (g, step) => users("funnel", body, { step: step.step, ...rowCell(g, by) }, `${name(g)} · ${nameOf(step)}`);
  // Among groups of a size that says something.
  const large = list.filter((g) => !g.other && g.steps[0].users >= steps[0].users / 20);
  const worst = large.length > 1 ? large.reduce((a, b) => (b.steps[steps.length - 1].rate_from_first < a.steps[steps.length - 1].rate_from_first ? b : a)) : null;
  return [
    h("h3", { class: "sub" }, t("按“{field}”看|By {field}", { field })),
    table(
      t("各组转化|Conversion by group"),
      [
        { name: "group", title: field, cell: name, value: name },
        ...steps.map((step, i) => ({
          name: `s${i}`,
          title: `${i + 1} ${nameOf(step)}`,
          number: true,
          value: (g) => g.steps[i].users,
          cell: (g) => usersLink(number(g.steps[i].users), () => open(g, step), i ? rate(g.steps[i].rate_from_previous) : ""),
        })),
        { name: "total", title: t("总转化率|Conversion"), number: true, value: (g) => g.steps[steps.length - 1].rate_from_first, cell: (g) => h("span", { class: `day ${worst && g === worst ? "badge bad" : ""}`, title: worst && g === worst ? t("转化最低的一组|the group that converts least") : "" }, usersLink(rate(g.steps[steps.length - 1].rate_from_first), () => open(g, steps[steps.length - 1]))) },
        { name: "time", title: t("用时中位数|Median time"), number: true, value: (g) => g.steps[steps.length - 1].median_ms_from_first, cell: (g) => usersLink(duration(g.steps[steps.length - 1].median_ms_from_first), () => open(g, steps[steps.length - 1])) },
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
