// Two languages in one place: texts stand as "中文|English" where they are used, so neither can be forgotten.

import { EXCEPTIONS, PINYINS, UNIHANS } from "./vendor/tiny-pinyin.dict.js";

const KEPT = "scenetrail.language";

export let language = localStorage.getItem(KEPT) === "en" ? "en" : "zh";

/** Choose the language ("zh" or "en") and keep the choice in this browser. */
export function setLanguage(chosen) {
  language = chosen;
  localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
}

/** The half of "中文|English" in the chosen language, with {name} filled in. */
export function t(text, values = {}) {
  const halves = text.split("|");
  const half = language === "zh" ? halves[0] : (halves[1] ?? halves[0]);
  return half.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** The half of a title that stands as "中文 / English" in what people declare. */
export function ownHalf(title) {
  const [chinese, english = chinese] = title.split(/\s*\/ /);
  return language === "zh" ? chinese : english;
}

/** What an app is called; its id where nobody gave it a name. */
export const appName = (app) => ownHalf(app.name ?? "") || app.app_id;

export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

// What the wire protocol names for every mini-program.
const EVENT_NAMES = {
  app_launch: "冷启动|Cold start",
  app_show: "打开小程序|App shown",
  app_hide: "离开小程序|App hidden",
  page_view: "浏览页面|Page view",
  page_leave: "离开页面|Page leave",
  share: "分享|Share",
  tap: "点击|Tap",
  app_error: "程序出错|App error",
  navigate_to_mini_program: "跳转其他小程序|To another mini-program",
  search: "搜索|Search",
  product_view: "浏览商品|Product view",
  add_to_cart: "加入购物车|Add to cart",
  add_favorite: "收藏|Add to favourites",
  order_submit: "提交订单|Order submitted",
  order_pay: "支付订单|Order paid",
  order_refund: "退款|Refund",
  coupon_receive: "领取优惠券|Coupon received",
  coupon_use: "使用优惠券|Coupon used",
  identify: "登录识别|Identified",
  register: "注册|Registered",
  user_set: "设置用户属性|User properties set",
  user_set_once: "首次设置用户属性|User properties set once",
  user_increment: "累加用户属性|User properties incremented",
  user_unset: "清除用户属性|User properties unset",
};

/** What an event is called beside its name; "" where nobody said. */
export function eventTitle(name) {
  return Object.hasOwn(EVENT_NAMES, name) ? t(EVENT_NAMES[name]) : "";
}

const PLATFORMS = {
  wechat: "微信|WeChat",
  alipay: "支付宝|Alipay",
  douyin: "抖音|Douyin",
  toutiao: "今日头条|Toutiao",
  baidu: "百度|Baidu",
  kuaishou: "快手|Kuaishou",
  qq: "QQ|QQ",
  xiaohongshu: "小红书|Xiaohongshu",
  jd: "京东|JD",
};

export function platformTitle(name) {
  return Object.hasOwn(PLATFORMS, name) ? t(PLATFORMS[name]) : name;
}

const ID_KINDS = { user_id: "用户编号|User id", anonymous_id: "设备编号|Device id", phone_hash: "手机号（加密）|Hashed phone" };

/** A kind of id as people say it; openid and unionid are said as they are. */
export const idKindTitle = (kind) => (Object.hasOwn(ID_KINDS, kind) ? t(ID_KINDS[kind]) : kind);

/** A value of a field as people say it: platforms and events have titles, the rest stands as it is. */
export function valueTitle(field, value, plain) {
  if (typeof value !== "string" || value === "") return plain(value);
  if (field === "platform") return platformTitle(value);
  return field === "event" ? eventTitle(value) || value : value;
}

const collator = new Intl.Collator("zh-Hans-CN");

/** The pinyin of a Chinese character by where it stands in pinyin order; other characters as they are. */
function syllable(character) {
  if (!/\p{Script=Han}/u.test(character)) return character;
  if (Object.hasOwn(EXCEPTIONS, character)) return EXCEPTIONS[character];
  let [low, high] = [0, UNIHANS.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (collator.compare(character, UNIHANS[middle]) < 0) high = middle - 1;
    else low = middle;
  }
  return PINYINS[low] || character;
}

/** What a Chinese text is searched by: its pinyin and the initials of it: "支付订单" is "zhifudingdan zfdd". */
export function pinyin(text) {
  const syllables = Array.from(text, syllable);
  return `${syllables.join("")} ${syllables.map((one) => one.slice(0, 1)).join("")}`.toLowerCase();
}
