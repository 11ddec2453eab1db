// Charts by ECharts (vendor/), read while the first question is being answered. Tooltips are elements with text, never HTML texts.

import { h, put } from "./dom.js";
import { day, short } from "./format.js";
import { t } from "./i18n.js";
import { changeEntry, inView, startOf, view } from "./state.js";

// ECharts empties elements with innerHTML = "". Under the page's trusted types this policy passes that and nothing else.
window.trustedTypes?.createPolicy("default", {
  createHTML: (text) => (text === "" ? "" : null),
});

let loading = null;

/** Read the library, once: it takes a tenth of a second of a browser, best spent while a server counts. */
export const loadCharts = () => (loading ??= import("./vendor/echarts.esm.min.js"));

/** Resolves when what stands on the page has been painted: numbers are seen before charts are drawn. */
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

const LIGHT = ["#2f6bd0", "#e08a3c", "#2f9e83", "#b4568f", "#7a68c9", "#c9a227", "#4aa3c7", "#d0605e", "#7b8794", "#5f9b41"];
const DARK = ["#6ea0f2", "#eaa566", "#5cc4a9", "#d583b5", "#a596ea", "#dcc05a", "#77c3e0", "#e98b88", "#9aa6b4", "#8dc36e"];

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
export const palette = () => (isDark() ? DARK : LIGHT);

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const live = new Set();

/** Let go of charts whose place is gone. */
function sweep() {
  for (const item of live) {
    if (!item.box.isConnected) {
      item.observer.disconnect();
      item.chart.dispose();
      live.delete(item);
    }
  }
}

/**
 * A chart in a box. option(): of ECharts. label: what it shows, for screen readers. onClick(params of ECharts). after: a
 * promise that its texts wait for. name: the chart's in the address, which keeps what of its legend was switched off.
 *
 * The box has `chart` (a promise), for pictures and for tests; null where the box was gone before it was drawn.
 */
export function chart(label, option, { name = "chart", height = 300, onClick, after = null } = {}) {
  const here = view();
  const canvas = h("div", { class: "chart", role: "img", "aria-label": label, style: { height: `${height}px` } });
  canvas.chart = loadCharts().then(async (echarts) => {
    await Promise.all([painted(), after]);
    sweep();
    if (!canvas.isConnected) return null;
    const made = echarts.init(canvas, null, { renderer: "canvas" });
    const { keys = new Map(), ...shown } = inView(here, option);
    made.setOption(themed(withHidden(shown, keys, here.state.hidden?.[name])), { notMerge: true });
    made.on("legendselectchanged", ({ selected }) => {
      const hidden = [...keys].filter(([title]) => selected[title] === false).map(([, key]) => key);
      changeEntry(here, "hidden", name, hidden.length ? hidden : undefined);
    });
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(canvas);
    live.add({ box: canvas, chart: made, observer });
    if (onClick) {
      made.on("click", onClick);
      made.getZr().setCursorStyle("default");
    }
    canvas.dataset.drawn = "true";
    return made;
  });
  canvas.chart.catch((error) => put(canvas, h("p", { class: "muted" }, error.message)));
  return canvas;
}

/** An option with some of its series switched off. keys: of the titles in its legend. */
function withHidden(option, keys, hidden) {
  if (!option.legend || !Array.isArray(hidden)) return option;
  const selected = Object.fromEntries([...keys].map(([title, key]) => [title, !hidden.includes(key)]));
  return { ...option, legend: { ...option.legend, selected } };
}

function themed(option) {
  return {
    color: palette(),
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    animationDuration: 250,
    textStyle: { fontFamily: css("--font"), color: css("--text") },
    ...option,
  };
}

/** A tooltip's content. rows: [color, name, value]. */
export function tip(title, rows, foot = "") {
  return h(
    "div",
    { class: "tip" },
    h("div", { class: "tip-title" }, title),
    rows.map(([color, name, value]) =>
      h("div", { class: "tip-row" }, h("span", { class: "swatch", style: { background: color ?? "transparent" } }), h("span", { class: "tip-name" }, name), h("b", {}, value)),
    ),
    foot ? h("div", { class: "tip-foot" }, foot) : null,
  );
}

export const tooltip = (more) => ({
  confine: true,
  backgroundColor: css("--surface"),
  borderColor: css("--line"),
  borderWidth: 1,
  padding: 0,
  textStyle: { color: css("--text"), fontSize: 12 },
  ...more,
});

const IS_TIME = /^\d{4}-\d\d-\d\d(T|$)/;

/** Points that have a value, each once: where a line becomes dotted there are two. */
const valued = (points) => points.filter((p, i) => p.value !== null && p.value !== undefined && points.findIndex((o) => o.seriesName === p.seriesName && o.value === p.value) === i);

const axisText = () => ({ color: css("--muted"), fontSize: 11 });

/**
 * Lines or stacked areas or bars over time.
 *
 * series: [{name, key, values, dashed, color, stack}]: key stands for the series in the address, where its name is in the
 * operator's language; null values are gaps. partial: index from which points are not complete.
 * unit: what the axis counts; by default the name of the only line.
 */
export function timeOption({ labels, series, format = short, partial = labels.length, kind = "line", stacked = false, area = false, unit }) {
  const colors = palette();
  const many = series.length > 1;
  const solid = series.filter((line) => !line.dashed);
  const name = unit ?? (solid.length === 1 ? solid[0].name : "");
  const isOneDay = labels.length > 1 && labels.every((label) => IS_TIME.test(label) && label.includes("T") && label.slice(0, 10) === labels[0].slice(0, 10));
  const isWhole = series.every((line) => line.values.every((one) => one === null || Number.isInteger(one)));
  // What has not begun is no zero.
  const begun = labels.findLastIndex((label) => !IS_TIME.test(label) || !(startOf(label) > Date.now())) + 1;
  return {
    keys: new Map(series.map((line) => [line.name, line.key ?? line.name])),
    grid: { left: 8, right: 16, top: (many ? 36 : 16) + (name ? 18 : 0), bottom: 4, containLabel: true },
    legend: many ? { type: "scroll", top: 0, left: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, textStyle: { color: css("--text"), fontSize: 12 } } : undefined,
    tooltip: tooltip({
      trigger: "axis",
      axisPointer: { type: kind === "bar" ? "shadow" : "line", lineStyle: { color: css("--line") } },
      formatter: (points) =>
        tip(
          IS_TIME.test(labels[points[0].dataIndex]) ? day(labels[points[0].dataIndex], true) : labels[points[0].dataIndex],
          valued(points).map((p) => [p.color, p.seriesName, format(p.value)]),
          points[0].dataIndex >= partial ? t("尚未完整|not complete yet") : "",
        ),
    }),
    xAxis: {
      type: "category",
      data: labels,
      boundaryGap: kind === "bar",
      axisLine: { lineStyle: { color: css("--line") } },
      axisTick: { show: false },
      axisLabel: { ...axisText(), formatter: (label) => (isOneDay ? label.slice(11, 16) : day(label)), hideOverlap: true },
    },
    yAxis: {
      type: "value",
      name,
      minInterval: isWhole ? 1 : 0,
      nameGap: 10,
      nameTextStyle: { ...axisText(), align: "left" },
      axisLabel: { ...axisText(), formatter: format },
      splitLine: { lineStyle: { color: css("--line-soft") } },
    },
    series: series.flatMap((line, i) => {
      const color = line.color ?? colors[i % colors.length];
      const base = {
        name: line.name,
        type: kind,
        stack: stacked ? (line.stack ?? "all") : undefined,
        showSymbol: labels.length < 3,
        symbolSize: 6,
        smooth: false,
        itemStyle: { color, borderRadius: kind === "bar" && !stacked ? [3, 3, 0, 0] : 0 },
        lineStyle: { width: 2, color, type: line.dashed ? "dashed" : "solid" },
        areaStyle: area || (stacked && kind === "line") ? { color, opacity: stacked ? 0.35 : 0.1 } : undefined,
        barMaxWidth: 28,
        emphasis: { focus: "none" },
        connectNulls: false,
      };
      const values = line.values.map((one, n) => (n < begun || line.dashed ? one : null));
      if (kind === "bar" || partial >= labels.length || line.dashed || stacked) {
        const data = values.map((value, n) => (n >= partial && kind === "bar" ? { value, itemStyle: { opacity: 0.45 } } : value));
        return [{ ...base, data }];
      }
      // The part that is not complete yet is drawn dashed; it shares the point where it begins.
      return [
        { ...base, data: values.map((value, n) => (n < partial ? value : null)) },
        {
          ...base,
          data: values.map((value, n) => (n >= partial - 1 ? value : null)),
          lineStyle: { ...base.lineStyle, type: "dotted" },
        },
      ];
    }),
  };
}

export function treemapOption(nodes, { format = short, title = (p) => p.name } = {}) {
  return {
    tooltip: tooltip({
      formatter: (p) => (p.data?.tip ? tip(p.name, p.data.tip) : tip(title(p), [[p.color, "", format(p.value)]])),
    }),
    series: [
      {
        type: "treemap",
        data: nodes,
        left: 0,
        right: 0,
        top: 0,
        bottom: 0,
        roam: false,
        nodeClick: false,
        breadcrumb: { show: false },
        itemStyle: { borderColor: css("--surface"), borderWidth: 2, gapWidth: 2 },
        label: { fontSize: 12, lineHeight: 17, color: "#fff", textBorderColor: "rgba(0,0,0,0.35)", textBorderWidth: 2, formatter: (p) => `${p.name}\n${format(p.value)}`, overflow: "truncate" },
        // A name of one letter says nothing: the tooltip has it whole.
        labelLayout: ({ rect }) => (rect.width < 48 || rect.height < 30 ? { x: -1000 } : {}),
      },
    ],
  };
}

export function sankeyOption(nodes, links, { format = short, counted = t("次数|Count") } = {}) {
  const narrow = innerWidth < 600;
  return {
    animation: false,
    tooltip: tooltip({
      formatter: (p) =>
        p.dataType === "edge"
          ? tip(`${p.data.from} → ${p.data.to}`, [[null, counted, format(p.data.value)]])
          : tip(p.data.title, [[p.color, counted, format(p.value)]]),
    }),
    series: [
      {
        type: "sankey",
        data: nodes,
        links,
        left: 4,
        right: narrow ? 84 : 130,
        top: 8,
        bottom: 8,
        nodeWidth: 12,
        nodeGap: 10,
        draggable: false,
        layoutIterations: 32,
        emphasis: { focus: "adjacency" },
        lineStyle: { color: "source", opacity: 0.25, curveness: 0.5 },
        label: { color: css("--text"), fontSize: 12, formatter: (p) => p.data.title, width: narrow ? 76 : 120, overflow: "truncate" },
        labelLayout: { hideOverlap: true },
      },
    ],
  };
}
