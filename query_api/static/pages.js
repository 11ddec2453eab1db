// All pages by id. A page with a report shows only when the server has that report.

export const GROUPS = [
  ["", ""],
  ["analysis", "行为分析|Behaviour"],
  ["growth", "获客与传播|Growth"],
  ["users", "用户|Users"],
  ["data", "数据|Data"],
];

const habits = async (name) => ({ default: (await import("./pages/habits.js"))[name] });

export const PAGES = [
  { id: "overview", title: "概览|Overview", group: "", icon: "overview", report: "events", load: () => import("./pages/overview.js") },
  { id: "summary", title: "日报与周报|Summary", group: "", icon: "report", report: "summary", load: () => import("./pages/summary.js") },
  { id: "health", title: "健康分|Health", group: "", icon: "health", report: "health", load: () => import("./pages/health.js") },
  { id: "boards", title: "看板|Boards", group: "", icon: "boards", load: () => import("./pages/boards.js") },
  { id: "events", title: "事件分析|Events", group: "analysis", icon: "events", report: "events", load: () => import("./pages/events.js") },
  { id: "funnel", title: "漏斗分析|Funnel", group: "analysis", icon: "funnel", report: "funnel", load: () => import("./pages/funnel.js") },
  { id: "retention", title: "留存分析|Retention", group: "analysis", icon: "retention", report: "retention", load: () => import("./pages/retention.js") },
  { id: "paths", title: "路径分析|Paths", group: "analysis", icon: "paths", report: "paths", load: () => import("./pages/paths.js") },
  { id: "sessions", title: "会话分析|Sessions", group: "analysis", icon: "sessions", report: "sessions", load: () => import("./pages/sessions.js") },
  { id: "distribution", title: "分布分析|Distribution", group: "analysis", icon: "events", report: "distribution", load: () => habits("distribution") },
  { id: "interval", title: "间隔分析|Interval", group: "analysis", icon: "sessions", report: "interval", load: () => habits("interval") },
  { id: "scenes", title: "场景与渠道|Scenes and channels", group: "growth", icon: "scenes", report: "scenes", load: () => import("./pages/scenes.js") },
  { id: "attribution", title: "归因分析|Attribution", group: "growth", icon: "attribution", report: "attribution", load: () => import("./pages/attribution.js") },
  { id: "exchange", title: "换量分析|Exchange", group: "growth", icon: "exchange", report: "exchange", load: () => import("./pages/exchange.js") },
  { id: "ltv", title: "生命周期价值|Lifetime value", group: "growth", icon: "ltv", report: "ltv", load: () => import("./pages/ltv.js") },
  { id: "share", title: "分享裂变|Sharing", group: "growth", icon: "share", report: "share", load: () => import("./pages/share.js") },
  { id: "promoters", title: "分销员|Promoters", group: "growth", icon: "people", report: "promoters", load: () => import("./pages/promoters.js") },
  { id: "lifecycle", title: "生命周期|Lifecycle", group: "users", icon: "lifecycle", report: "lifecycle", load: () => import("./pages/lifecycle.js") },
  { id: "layers", title: "用户分层|Layers", group: "users", icon: "layers", report: "layers", load: () => import("./pages/layers.js") },
  { id: "segments", title: "用户分群|Segments", group: "users", icon: "segments", report: "segments", load: () => import("./pages/segments.js") },
  { id: "stickiness", title: "粘性|Stickiness", group: "users", icon: "retention", report: "stickiness", load: () => habits("stickiness") },
  { id: "recall", title: "消息召回|Recall", group: "users", icon: "recall", report: "recall", load: () => import("./pages/recall.js") },
  { id: "people", title: "用户查询|People", group: "users", icon: "people", report: "profile", load: () => import("./pages/people.js") },
  { id: "sql", title: "SQL 查询|SQL", group: "data", icon: "sql", report: "sql", load: () => import("./pages/sql.js") },
  { id: "live", title: "实时|Live", group: "data", icon: "live", load: () => import("./pages/live.js") },
  { id: "quality", title: "数据质量|Data quality", group: "data", icon: "quality", load: () => import("./pages/quality.js") },
  { id: "settings", title: "设置|Settings", group: "data", icon: "settings", load: () => import("./pages/settings.js") },
];
