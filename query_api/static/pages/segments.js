// Segments: stored rules with their size and snapshots, a builder for new ones, and how they differ from one another.

import { post, remove } from "../api.js";
import { chart, palette, timeOption, tip, tooltip } from "../charts.js";
import { h, put } from "../dom.js";
import { errorLine } from "../errors.js";
import { instant, number, rate } from "../format.js";
import { t } from "../i18n.js";
import { nameOf, namesOf, personLink } from "../names.js";
import { against, breakdownField, brokenDown, figures, labelled, ofRange, rowCell, rowName } from "../parts.js";
import { common, compared, confirmDelete, errorNotice, filterSection, panel, section, wholeRange } from "../report.js";
import { completeRule, ruleBuilder, ruleWords } from "../rules.js";
import { loadSegments, partsOf, segmentName, segmentPicker } from "../segments.js";
import { addDays, addressOf, shared, today, zone } from "../state.js";
import { button, dialog, iconButton, notice, segmented, table, textInput, toast, usersLink } from "../widgets.js";

const ALL_OF_HISTORY = "2015-01-01T00:00:00Z";
const MAX_COMPARED = 8;

export default function segments(context) {
  const { state, set } = context;
  const view = state.id ? "one" : (state.view ?? "");
  return h(
    "div",
    { class: "page-stack" },
    h(
      "div",
      { class: "row" },
      segmented(
        t("分群页面|Part of the page"),
        [
          ["", t("分群列表|Segments")],
          ["new", t("新建分群|New segment")],
          ["compare", t("分群对比|Compare")],
        ],
        view === "one" ? "" : view,
        (value) => set({ view: value || undefined, id: undefined }),
      ),
    ),
    view === "one" ? one(context) : view === "new" ? fresh(context) : view === "compare" ? compare(context) : list(context),
  );
}

// --- List -------------------------------------------------------------------------

function list({ state, set }) {
  return section({
    title: t("分群列表|Segments"),
    name: "segments-list",
    address: "/v1/segments",
    actions: [button(t("新建分群|New segment"), () => set({ view: "new" }), { class: "button primary" })],
    render: (answer) =>
      answer.result.segments.length
        ? table(
            t("分群列表|Segments"),
            [
              { name: "name", title: t("名称|Name"), cell: (s) => h("a", { href: addressOf("segments", { ...shared(state), id: s.segment_id }) }, s.name), value: (s) => s.name },
              { name: "rule", title: t("规则|Rule"), cell: (s) => h("span", { class: "words" }, ruleWords(s.rule)) },
              { name: "made", title: t("创建|Made"), cell: (s) => instant(s.created_at, zone(), false), value: (s) => s.created_at },
            ],
            answer.result.segments,
            { sorted: { name: "made", down: true } },
          )
        : notice("empty", t("还没有分群|No segments yet"), t("用行为、属性和其他分群组成规则，保存后可以在每个报表里选用。|Make a rule of what users did, their attributes and other segments; every report can then be restricted to it."), button(t("新建分群|New segment"), () => set({ view: "new" }), { class: "button primary" })),
  });
}

// --- A new one --------------------------------------------------------------------

/** To this minute, so that a view asked again is the same question. */
const untilNow = () => new Date(Math.floor(Date.now() / 60_000) * 60_000 + 60_000).toISOString();

function fresh({ state, set, users }) {
  const draft = state.rule ?? { relation: "and", rules: [{ did: { event: "" } }] };
  const rule = completeRule(draft);
  const apps = state.apps?.length ? { app_ids: state.apps } : {};
  const body = rule ? { ...apps, time_range: { from: ALL_OF_HISTORY, to: untilNow() }, timezone: zone(), rule, limit: 10 } : null;
  return [
    h(
      "section",
      { class: "builder", "aria-label": t("分群规则|Rule of the segment") },
      ruleBuilder(t("分群规则|Rule of the segment"), draft, (next) => set({ rule: next ?? { relation: "and", rules: [{ did: { event: "" } }] } }), { common: wholeRange({ ...state, range: "90d" }) }),
      h("div", { class: "row" }, button(t("保存分群|Save the segment"), () => save(rule, apps, set), { class: "button primary", disabled: !rule })),
    ),
    panel({
      title: t("现在有多少人|How many now"),
      report: "users",
      name: "segment-size",
      isList: false,
      body,
      incomplete: t("先写一个条件|Write a condition first"),
      wide: true,
      render: (answer) => [
        figures([["size", t("满足规则的用户|Users of the rule"), usersLink(number(answer.result.total), () => users("users", body, {}, t("满足规则的用户|Users of the rule")))]]),
        h("p", { class: "words" }, ruleWords(rule)),
        sample(answer.result.users.map((u) => personLink(u.user, nameOf(u)))),
      ],
    }),
  ];
}

const sample = (links) => (links.length ? h("p", { class: "muted" }, t("例如：|For example: "), links.map((link, i) => [i ? t("、|, ") : "", link])) : null);

function save(rule, apps, set) {
  const name = textInput(t("名称|Name"), "", () => {}, { maxlength: 200, required: true, autofocus: true });
  const fault = h("div");
  const box = dialog(
    t("保存分群|Save the segment"),
    h(
      "form",
      {
        class: "form",
        onSubmit: async (event) => {
          event.preventDefault();
          try {
            const answer = await post("/v1/segments", { name: name.querySelector("input").value.trim(), rule, ...apps, timezone: zone() });
            await loadSegments(true);
            box.close();
            toast(t("已保存|Saved"));
            set({ view: undefined, rule: undefined, id: answer.result.segment.segment_id });
          } catch (error) {
            put(fault, errorNotice(error));
          }
        },
      },
      name,
      h("p", { class: "words muted" }, ruleWords(rule)),
      fault,
      h("button", { type: "submit", class: "button primary" }, t("保存|Save")),
    ),
  );
}

// --- One --------------------------------------------------------------------------

const USES = [
  ["overview", "概览|Overview"],
  ["events", "事件|Events"],
  ["funnel", "漏斗|Funnel"],
  ["retention", "留存|Retention"],
  ["scenes", "场景|Scenes"],
  ["paths", "路径|Paths"],
];

function one({ state, set, users }) {
  const address = `/v1/segments/${encodeURIComponent(state.id)}`;
  const card = section({
    title: t("分群|Segment"),
    name: "segment",
    address,
    actions: [button(t("返回列表|Back to the list"), () => set({ id: undefined }))],
    render: (answer) => {
      const { segment } = answer.result;
      const all = { app_ids: segment.app_ids, time_range: { from: ALL_OF_HISTORY, to: segment.counted_at }, timezone: segment.timezone };
      const open = (name, title) => users("users", { ...all, segment: name }, {}, title);
      const names = namesOf(segment.sample, all);
      return [
        h("h3", { class: "subject" }, segment.name),
        h("p", { class: "words" }, ruleWords(segment.rule)),
        figures([
          ["size", t("现在的用户|Users now"), usersLink(number(segment.users), () => open(segment.segment_id, segment.name))],
          ["made", t("创建|Made"), instant(segment.created_at, zone(), false)],
          ["apps", t("应用|Apps"), number(segment.app_ids.length)],
        ]),
        sample(segment.sample.map((user) => names.link(user))),
        h("h3", { class: "sub" }, t("用它看|Use it in")),
        h("div", { class: "row" }, USES.map(([page, title]) => h("a", { class: "button", href: addressOf(page, { ...shared(state), segment: segment.segment_id }) }, t(title))), h("a", { class: "button", href: compareAddress(state, segment.segment_id) }, t("加入对比|Compare it"))),
        h("h3", { class: "sub" }, t("快照|Snapshots")),
        snapshots(segment, state, open),
        takeSnapshot(segment, address, card),
        h("h3", { class: "sub" }, t("规则（API 写法）|The rule as the API takes it")),
        h("pre", { class: "raw" }, JSON.stringify(segment.rule, null, 1)),
        h("div", { class: "row" }, button(t("以此新建|New one like it"), () => set({ id: undefined, view: "new", rule: segment.rule.rules ? segment.rule : { relation: "and", rules: [segment.rule] } })), button(t("删除分群|Delete the segment"), () =>
          confirmDelete(
            t("删除分群 {name}？|Delete segment {name}?", { name: segment.name }),
            async () => {
              await remove(address);
              await loadSegments(true);
            },
            () => set({ id: undefined, segment: undefined }),
            h("p", {}, t("它的快照也不再可用，用到它的视图会报错。|Its snapshots go too, and views that use it will fail.")),
          ), { class: "button danger" })),
      ];
    },
  });
  return card;
}

function compareAddress(state, name) {
  return addressOf("segments", { ...shared(state), view: "compare", list: [...new Set([...(state.list ?? []), name])].slice(0, MAX_COMPARED) });
}

function snapshots(segment, state, open) {
  if (!segment.snapshots.length) return h("p", { class: "muted" }, t("还没有快照。快照保存某一天的名单，之后规则变化也不影响它。|No snapshots. A snapshot keeps the users of a day, whatever becomes of them later."));
  return table(
    t("快照|Snapshots"),
    [
      { name: "date", title: t("日期|Day"), cell: (s) => s.date, value: (s) => s.date },
      { name: "users", title: t("用户|Users"), number: true, value: (s) => s.users, cell: (s) => usersLink(number(s.users), () => open(`${segment.segment_id}@${s.date}`, `${segment.name} @ ${s.date}`)) },
      { name: "taken", title: t("保存于|Taken"), cell: (s) => instant(s.taken_at, zone()), value: (s) => s.taken_at },
      { name: "use", title: t("使用|Use"), cell: (s) => h("span", { class: "row" }, h("a", { href: addressOf("retention", { ...shared(state), segment: `${segment.segment_id}@${s.date}` }) }, t("看留存|Retention")), h("a", { href: compareAddress(state, `${segment.segment_id}@${s.date}`) }, t("加入对比|Compare"))) },
    ],
    segment.snapshots,
    { sorted: { name: "date", down: true } },
  );
}

function takeSnapshot(segment, address, card) {
  const yesterday = addDays(today(), -1);
  const day = h("input", { class: "input", type: "date", value: yesterday, max: yesterday, required: true, "aria-label": t("快照日期|Day of the snapshot") });
  const submit = h("button", { type: "submit", class: "button" }, t("保存快照|Take a snapshot"));
  return h(
    "form",
    {
      class: "row",
      onSubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        try {
          const answer = await post(`${address}/snapshots`, { date: day.value });
          toast(t("已保存 {n} 位用户|{n} users kept", { n: number(answer.result.snapshot.users) }));
          await card.reload();
        } catch (error) {
          toast(errorLine(error), "error");
          submit.disabled = false;
        }
      },
    },
    day,
    submit,
  );
}

// --- Compare ----------------------------------------------------------------------

function compare({ state, set, users }) {
  const chosen = state.list ?? [];
  const by = state.breakdown ?? [];
  const body = chosen.length ? { ...common(state), segments: chosen, ...brokenDown(by, 20), ...compared(state) } : null;
  return [
    h(
      "section",
      { class: "builder", "aria-label": t("对比条件|Comparison builder") },
      labelled(
        t("对比的分群（最多 {n} 个）|Segments to compare (up to {n})", { n: MAX_COMPARED }),
        h(
          "div",
          { class: "row" },
          chosen.map((name) => h("span", { class: "token" }, segmentName(name), iconButton("close", t("去掉 {name}|Remove {name}", { name }), () => set({ list: chosen.filter((other) => other !== name) }), { class: "token-remove" }))),
          chosen.length < MAX_COMPARED ? segmentPicker(t("添加分群|Add a segment"), "", (name) => set({ list: [...new Set([...chosen, name])] }), { face: t("＋ 添加分群|+ add a segment") }) : null,
        ),
      ),
      h("div", { class: "builder-row" }, breakdownField(by, (breakdown) => set({ breakdown }))),
      h("p", { class: "legend" }, t("快照请在分群页面“加入对比”。全体：时间范围内有符合筛选的事件的人。|Snapshots are added on the segment's own page. Everyone: persons with an event in the range that passes the filter.")),
      filterSection(state, set),
    ),
    named(() =>
      panel({
        title: t("分群对比|Comparison"),
        report: "segments",
        body,
        incomplete: t("选择要对比的分群|Choose segments to compare"),
        wide: true,
        isEmpty: (answer) => answer.result.everyone === 0,
        render: (answer) => comparison(answer.result, body, by, users),
      }),
    ),
  ];
}

const names = new Map();

/** Make a part when the names of the segments are known: a chart takes texts. */
function named(make) {
  const place = h("div", { class: "panel", dataset: { report: "segments", state: "loading" } });
  loadSegments()
    .then((list) => list.forEach((s) => names.set(s.segment_id, s.name)))
    .catch(() => {})
    .then(() => place.replaceWith(make()));
  return place;
}

function labelOf(name) {
  const { id, day } = partsOf(name);
  return names.has(id) ? `${names.get(id)}${day ? ` @ ${day}` : ""}` : name;
}

function comparison(result, body, by, users) {
  const before = result.compare;
  const sizeBefore = (name) => before?.segments.find((s) => s.segment === name)?.users;
  const open = (cell, title, isBefore = false) => users("segments", ofRange(body, isBefore), cell, title);
  return [
    figures([["everyone", t("全体|Everyone"), against(number, result.everyone, before?.everyone, { open: (isBefore) => open({}, t("全体|Everyone"), isBefore) })]]),
    table(
      t("分群大小|Sizes"),
      [
        { name: "segment", title: t("分群|Segment"), cell: (s) => segmentName(s.segment), value: (s) => s.segment },
        { name: "users", title: t("用户|Users"), number: true, value: (s) => s.users, cell: (s) => against(number, s.users, sizeBefore(s.segment), { open: (isBefore) => open({ within: [s.segment] }, labelOf(s.segment), isBefore) }) },
        { name: "share", title: t("占全体|Of everyone"), number: true, value: (s) => s.share, cell: (s) => usersLink(rate(s.share), () => open({ within: [s.segment] }, labelOf(s.segment))) },
      ],
      result.segments,
    ),
    result.overlaps.length
      ? [
          h("h3", { class: "sub" }, t("重叠|Overlaps")),
          table(
            t("重叠|Overlaps"),
            [
              { name: "a", title: "A", cell: (o) => segmentName(o.a) },
              { name: "b", title: "B", cell: (o) => segmentName(o.b) },
              { name: "both", title: t("同时在两者|In both"), number: true, value: (o) => o.users, cell: (o) => usersLink(number(o.users), () => open({ within: [o.a, o.b] }, t("同时在两者|In both"))) },
              { name: "only_a", title: t("只在 A|Only in A"), number: true, cell: (o) => usersLink(number(sizeOf(result, o.a) - o.users), () => open({ within: [o.a], outside: [o.b] }, t("只在 A|Only in A"))) },
              { name: "only_b", title: t("只在 B|Only in B"), number: true, cell: (o) => usersLink(number(sizeOf(result, o.b) - o.users), () => open({ within: [o.b], outside: [o.a] }, t("只在 B|Only in B"))) },
              { name: "similarity", title: t("相似度|Similarity"), number: true, value: (o) => o.similarity, cell: (o) => h("span", { title: `${number(o.users)} / ${number(o.either)}` }, usersLink(rate(o.similarity), () => open({ within: [o.a, o.b] }, t("同时在两者|In both")))) },
            ],
            result.overlaps,
          ),
        ]
      : null,
    result.rows ? breakdown(result, by, open) : null,
  ];
}

const sizeOf = (result, name) => result.segments.find((s) => s.segment === name).users;

function breakdown(result, by, open) {
  const values = result.rows.map((row) => rowName(row, by));
  const colors = palette();
  const lines = [[t("全体|Everyone"), result.rows.map((row) => row.everyone_share), colors[8], "everyone"], ...result.segments.map((s, i) => [labelOf(s.segment), result.rows.map((row) => row.segments[i].share), colors[i % 8], s.segment])];
  return [
    h("h3", { class: "sub" }, t("画像：各取值占比与 TGI|Shares of values, and their index")),
    chart(
      t("各取值占比：{list}|Shares: {list}", { list: values.slice(0, 10).join(", ") }),
      () => {
        const option = timeOption({ labels: values, kind: "bar", format: (v) => rate(v, 0), series: lines.map(([name, shares, color, key]) => ({ name, key, values: shares, color })) });
        option.xAxis.axisLabel.formatter = (text) => text;
        option.tooltip = tooltip({ trigger: "axis", formatter: (points) => tip(values[points[0].dataIndex], points.map((p) => [p.color, p.seriesName, rate(p.value)])) });
        return option;
      },
      { height: 260, onClick: (p) => open({ ...(p.seriesIndex > 0 ? { within: [result.segments[p.seriesIndex - 1].segment] } : {}), ...rowCell(result.rows[p.dataIndex], by) }, values[p.dataIndex]) },
    ),
    table(
      t("画像|Shares"),
      [
        { name: "value", title: t("取值|Value"), cell: (row) => rowName(row, by), value: (row) => rowName(row, by) },
        { name: "everyone", title: t("全体|Everyone"), number: true, value: (row) => row.everyone, cell: (row) => usersLink(number(row.everyone), () => open(rowCell(row, by), rowName(row, by)), rate(row.everyone_share)) },
        ...result.segments.map((s, i) => ({
          name: `s${i}`,
          title: segmentName(s.segment),
          number: true,
          value: (row) => row.segments[i].share,
          cell: (row) => {
            const users = () => open({ within: [s.segment], ...rowCell(row, by) }, rowName(row, by));
            return [usersLink(number(row.segments[i].users), users, rate(row.segments[i].share)), " ", tgi(row.segments[i].index, users)];
          },
        })),
      ],
      result.rows,
    ),
    h("p", { class: "legend" }, t("TGI = 分群内占比 ÷ 全体占比 × 100；高于 100 表示这个分群更偏向该取值。|Index = share in the segment / share of everyone × 100; above 100 the segment leans to the value.")),
  ];
}

const tgi = (index, open) => (index === null ? null : h("span", { class: `badge ${index >= 120 ? "good" : index <= 80 ? "warn" : ""}`, title: "TGI" }, usersLink(number(index), open)));
