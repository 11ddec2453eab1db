/**
 * The public types and nothing else: options, properties, ids.
 *
 * Names here are camelCase; payload.ts alone turns them into the names of the wire.
 */

/** Values of `platform` on the wire that a mini-program can have. */
export type PlatformName = 'wechat' | 'alipay' | 'douyin' | 'baidu' | 'qq' | 'kuaishou' | 'jd' | 'xiaohongshu' | 'lark';

/** What the wire carries as the value of a property. */
export type PropertyValue = string | number | boolean | null | string[];

/** What callers may pass: dates and objects are turned into strings, `undefined` and functions are left out. */
export type Properties = Record<string, unknown>;

/** `pending` keeps everything in memory, `granted` sends, `denied` clears and drops. */
export type Consent = 'pending' | 'granted' | 'denied';

/** The automatic events; each can be switched off, `tap` has to be switched on. */
export interface AutoTrack {
  appLaunch: boolean;
  appShow: boolean;
  appHide: boolean;
  pageView: boolean;
  pageLeave: boolean;
  share: boolean;
  addFavorite: boolean;
  tap: boolean;
  appError: boolean;
}

/** Receives what the SDK did and why. */
export type DebugSink = (message: string, detail?: unknown) => void;

export interface Options {
  /** Origin of the collector, `https://…`; it must be on the mini-program's request domain list, port included. */
  collectorUrl: string;
  /** Write key of the app; it can only add events. */
  writeKey: string;
  /** The mini-program's app id; read from the platform where it tells. */
  appId?: string;
  /** Only for a host that shares its global object with another: `lark` (飞书) runs the `tt` API of Douyin. */
  platform?: PlatformName;
  /** State before the user was asked; a decision made with `optIn` or `optOut` is stored and wins. Default `granted`. */
  consent?: Consent;
  /** `false` switches all automatic events off; an object switches single ones. */
  autoTrack?: boolean | Partial<AutoTrack>;
  /** Silence that ends a session. Default 1,800,000 (30 minutes). */
  sessionTimeoutMs?: number;
  /** Longest wait of an event before it is sent. Default 5,000. */
  flushIntervalMs?: number;
  /** Waiting events that start a request at once. Default 20. */
  batchSize?: number;
  /** Events kept while nothing can be sent; the oldest are dropped and counted. Default 500. */
  maxQueueEvents?: number;
  /** Default 10,000. */
  requestTimeoutMs?: number;
  /** `true` explains on the console what is done and why; a function receives it instead. Default silent. */
  debug?: boolean | DebugSink;
}

/** Ids the app learned; each is opaque, printable, 1 to 128 characters. */
export interface Ids {
  userId?: string;
  openid?: string;
  unionid?: string;
}

/** The card (分享卡片) this visit began on. */
export interface ShareInfo {
  shareId: string;
  /** 1 for a card made by someone who did not come by a card. */
  depth: number;
}

export type ShareChannel = 'message' | 'timeline' | 'favorite' | 'copy';

/** A card made by hand, for posters, copied links and the like. */
export interface ShareCard extends ShareInfo {
  /** The path with the share parameter added. */
  path: string;
  /** The share parameter alone, `name=value`. */
  query: string;
}

/** Counts since the start of this run, for tests and support. */
export interface Stats {
  /** Events waiting. */
  queued: number;
  /** Events the collector accepted or already had. */
  delivered: number;
  /** Events the collector refused. */
  rejected: number;
  /** Events given up by this SDK, by reason. */
  dropped: Record<string, number>;
}
