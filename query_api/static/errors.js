// What the server's refusals mean, by code, in both languages; its own words stand beside as the detail.

import { t } from "./i18n.js";

/** Of a whole request: what happened, what one can do. */
const REQUEST = {
  not_json: ["请求不是 JSON|The request is not JSON", ""],
  invalid_request: ["条件有误|Something in the question is wrong", "请检查标出的字段。|Check the field that is named."],
  unauthorized: ["登录已失效|No longer signed in", "请重新登录；已吊销的令牌不能使用。|Sign in again; a revoked token does not work."],
  forbidden: ["没有权限|No permission", "当前令牌不能读取这些应用，或不能修改。|This token cannot read these apps, or may not change anything."],
  not_found: ["没有找到|Not found", "它可能已被删除，或这台服务器没有这个功能。|It may have been deleted, or this server does not have it."],
  method_not_allowed: ["不支持的操作|Not supported here", ""],
  request_timeout: ["请求超时|The request took too long to arrive", "请重试。|Try again."],
  body_too_large: ["内容过大|Too large", "请分成几份。|Send it in parts."],
  too_many_events: ["事件过多|Too many events", "请分成几份。|Send them in parts."],
  too_many_requests: ["请求过于频繁|Too many requests", "稍后再试。|Try again in a moment."],
  internal: ["服务器出错|A fault of the server", "日志里有请求编号。|The log has the request id."],
  overloaded: ["服务器繁忙|The server is busy", "稍后再试。|Try again in a moment."],
  shutting_down: ["服务器正在停止|The server is stopping", "稍后再试。|Try again in a moment."],
  query_limit: ["查询超出限制|The query passed its limit", "缩短时间范围，或减少步骤与分组。|Shorten the range, or use fewer steps or values."],
  storage_unavailable: ["数据库暂时没有响应|The database does not answer", "请稍后重试；持续出现时检查 ClickHouse 是否在运行。|Try again; if it stays, check that ClickHouse runs."],
  unreachable: ["连不上服务器|The server cannot be reached", "请检查 scenetrail 是否在运行。|Check that scenetrail is running."],
};

/** Of one event. */
const EVENT = {
  missing_field: "缺少必填字段|a required field is absent",
  invalid_type: "字段类型不对|a field of another type",
  invalid_value: "取值不允许|a value that is not allowed",
  too_long: "文本或列表过长|a text or list that is too long",
  out_of_range: "数值超出范围|a number outside its limits",
  not_printable: "编号或名称为空白或含控制字符|an id or name that is blank or holds control characters",
  phone_not_hashed: "手机号没有加密哈希|a phone number that is not hashed",
  missing_identity: "没有任何用户编号|no id of a user",
  occurred_at_out_of_range: "发生时间不合理（也许是秒而不是毫秒）|a time before 2015 or after 2100 (perhaps seconds)",
};

/** {title, hint} of a refusal's code; one for all others. */
export function errorTexts(code) {
  const [title, hint] = Object.hasOwn(REQUEST, code) ? REQUEST[code] : ["请求失败|The request failed", ""];
  return { title: t(title), hint: t(hint) };
}

/** One line for a short message. */
export function errorLine(error) {
  const { title, hint } = errorTexts(error.code ?? "");
  return [error.code ? title : "", error.message || hint].filter(Boolean).join(t("：|: "));
}

/** What the code of a refused event means; "" where nobody said. */
export const eventFault = (code) => (Object.hasOwn(EVENT, code) ? t(EVENT[code]) : Object.hasOwn(REQUEST, code) ? t(REQUEST[code][0]) : "");
