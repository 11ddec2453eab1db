/**
 * The only file that knows the platforms: their global objects, and how their APIs differ.
 *
 * Everything else sees the {@link Platform} made here. It calls no API that needs the user's permission, and none
 * that is deprecated where its replacement exists. Every call into the host is guarded: a missing or throwing API
 * gives `undefined`, never an exception.
 *
 * `__PLATFORM__` is set by the build: one name, or `all`. The bundler drops the branches of the other platforms.
 */
import type { PlatformName } from './types';

declare const __PLATFORM__: PlatformName | 'all';

// Ambient and local to this module, so that they do not clash with a platform's own typings.
declare const wx: Host, my: Host, tt: Host, swan: Host, qq: Host, ks: Host, jd: Host, xhs: Host;
declare let App: Register, Page: Register, Component: Register;

/** `App`, `Page` or `Component`. */
export type Register = (this: unknown, options: Record<string, unknown>, ...rest: unknown[]) => unknown;
export type RegisterName = 'App' | 'Page' | 'Component';

/** What the host says about a start or a return to the foreground; fields vary by platform, all may be missing. */
export interface EnterOptions {
  path?: string;
  query?: unknown;
  scene?: unknown;
  shareTicket?: unknown;
  chatType?: unknown;
  apiCategory?: unknown;
  referrerInfo?: unknown;
  /** Spelling of Douyin's live tools page; its typings say `referrerInfo`. */
  refererInfo?: unknown;
}

interface RequestOptions {
  url: string;
  method: 'POST';
  data: string;
  header?: Record<string, string>;
  headers?: Record<string, string>;
  timeout: number;
  dataType: 'text';
  success(result: unknown): void;
  fail(result: unknown): void;
}

// Every host types its callbacks differently.
type Callback = (value?: any) => void;

/** The part of a host's API that is used, all of it optional. Checked against the published typings. */
export interface Host {
  request?(options: RequestOptions): unknown;
  getStorageSync?(key: never): unknown;
  setStorageSync?(key: never, value?: never): unknown;
  removeStorageSync?(key: never): unknown;
  getLaunchOptionsSync?(): unknown;
  getEnterOptionsSync?(): unknown;
  onAppShow?(listener: Callback): unknown;
  onAppHide?(listener: Callback): unknown;
  onError?(listener: Callback): unknown;
  onUnhandledRejection?(listener: Callback): unknown;
  onNetworkStatusChange?(listener: Callback): unknown;
  getNetworkType?(options: { success: Callback }): unknown;
  getDeviceInfo?(): unknown;
  getWindowInfo?(): unknown;
  getAppBaseInfo?(): unknown;
  getSystemInfoSync?(): unknown;
  getAccountInfoSync?(): unknown;
  getAppIdSync?(): unknown;
  getEnvInfoSync?(): unknown;
}

/** An HTTP answer; no answer at all is `undefined`. */
export interface Answer {
  status: number;
  /** Parsed JSON; empty if the body was no JSON object. */
  body: Record<string, unknown>;
  /** `Retry-After` in milliseconds. */
  retryAfterMs: number | undefined;
}

/** The device and the host app; names are camelCase, empty values are left out. */
export interface Device {
  brand?: string;
  model?: string;
  os?: string;
  osVersion?: string;
  hostVersion?: string;
  baseLibraryVersion?: string;
  language?: string;
  networkType?: string;
  /** CSS pixels. */
  screenWidth?: number;
  screenHeight?: number;
}

export interface Account {
  appId?: string;
  appVersion?: string;
  /** `release`, `trial` or `develop` where the platform's own word is known, else that word. */
  envVersion?: string;
}

/** A start that is not an ordinary visit. */
export type SceneMark = 'single_page' | 'crawler' | 'test';

export interface Platform {
  readonly name: PlatformName;
  /** What a full path begins with: hosts want a slash before the path of a card, JD wants none. */
  readonly root: string;
  /** The host's global object, where copies of this SDK find one another. */
  readonly host: object;
  post(
    url: string,
    headers: Record<string, string>,
    body: string,
    timeoutMs: number,
    done: (answer: Answer | undefined) => void,
  ): () => void;
  /** Returns `undefined` if there is nothing or it cannot be read. */
  read(key: string): string | undefined;
  /** Returns false if the host could not store it: full, or switched off. */
  write(key: string, value: string): boolean;
  remove(key: string): void;
  launchOptions(): EnterOptions | undefined;
  enterOptions(): EnterOptions | undefined;
  /** Returns false if the host has no such listener. */
  listen(
    method: 'onAppShow' | 'onAppHide' | 'onError' | 'onUnhandledRejection',
    listener: (value: never) => void,
  ): boolean;
  onNetwork(listener: (online: boolean, type?: string) => void): void;
  device(): Device;
  account(): Account;
  sceneMark(scene: string, apiCategory: unknown): SceneMark | undefined;
  /** Replace `App`, `Page` or `Component`, if the host has it. */
  wrapRegister(name: RegisterName, wrap: (original: Register) => Register): void;
}

type Loose = Record<string, unknown>;

/**
 * Find the host. Order matters in the build for all platforms: QQ, JD and Xiaohongshu may define `wx` beside their
 * own object, so `wx` comes last.
 */
function findHost(): [PlatformName, Host] | undefined {
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'alipay') && typeof my !== 'undefined') return ['alipay', my];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'douyin') && typeof tt !== 'undefined') return ['douyin', tt];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'baidu') && typeof swan !== 'undefined') return ['baidu', swan];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'qq') && typeof qq !== 'undefined') return ['qq', qq];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'kuaishou') && typeof ks !== 'undefined') return ['kuaishou', ks];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'jd') && typeof jd !== 'undefined') return ['jd', jd];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'xiaohongshu') && typeof xhs !== 'undefined')
    return ['xiaohongshu', xhs];
  if ((__PLATFORM__ === 'all' || __PLATFORM__ === 'wechat') && typeof wx !== 'undefined') return ['wechat', wx];
  return undefined;
}

/**
 * Scenes that are no visit of a person. Source: WeChat's scene table (1154 timeline preview, 1129 crawler, 1030
 * automated test, 1101 preview reload, 1203 load test) and Kuaishou's (…1014 developer's preview).
 */
function markOf(platform: PlatformName, scene: string, apiCategory: unknown): SceneMark | undefined {
  if (__PLATFORM__ === 'all' || __PLATFORM__ === 'wechat') {
    if (platform === 'wechat') {
      if (scene === '1154' || apiCategory === 'browseOnly') return 'single_page';
      if (scene === '1129') return 'crawler';
      if (/^(1030|1101|1203)$/.test(scene)) return 'test';
    }
  }
  if (__PLATFORM__ === 'all' || __PLATFORM__ === 'kuaishou') {
    if (platform === 'kuaishou' && /^0[12]1014$/.test(scene)) return 'test';
  }
  return undefined;
}

/** Other hosts' words for WeChat's `release`, `trial` and `develop`. */
const ENV_WORDS: Record<string, string> = { production: 'release', preview: 'trial', development: 'develop' };

/** What `call` returns; `undefined` if it throws. */
export function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Loose {
  return !!value && typeof value === 'object';
}

export function asObject(value: unknown): Loose {
  return isObject(value) ? value : {};
}

function text(value: unknown): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : attempt(() => String(value));
}

function pixels(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? Math.round(value) : undefined;
}

/** Header names arrive in any case, values on some platforms as a list of one. */
function findHeader(headers: unknown, name: string): string | undefined {
  const all = asObject(headers);
  for (const key of Object.keys(all)) {
    if (key.toLowerCase() === name) return String(all[key]);
  }
  return undefined;
}

/**
 * Read the result of `request`, of `success` as of `fail`.
 *
 * TRICKY: `success` is called for every HTTP status (so the status must be read), and Alipay calls `fail` for 4xx
 * and 5xx (so a `fail` may be an answer). Proof: matrix tests `5xx` and `429` on alipay.
 */
function readAnswer(result: unknown): Answer | undefined {
  const answer = asObject(result);
  const status = Number(answer['statusCode'] || answer['status']);
  if (!(status >= 100 && status < 600)) return undefined;
  const { data } = answer;
  const seconds = Number(findHeader(answer['header'] || answer['headers'], 'retry-after') || NaN);
  return {
    status,
    body: asObject(typeof data === 'string' ? attempt(() => JSON.parse(data) as unknown) : data),
    retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
  };
}

/** Make the platform this build is for, or `undefined` outside a mini-program. */
export function findPlatform(): Platform | undefined {
  const found = attempt(findHost);
  if (!found || !found[1]) return undefined;
  const [name, host] = found;
  const api = host as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  // Alipay takes and gives storage in objects.
  const boxed = (__PLATFORM__ === 'all' || __PLATFORM__ === 'alipay') && name === 'alipay';

  /** Call a host API if it exists; a throw counts as missing. */
  const ask = (method: string, ...args: unknown[]): unknown => attempt(() => api[method]!(...args));
  const listen = (method: string, listener: (value: never) => void): boolean =>
    !!attempt(() => {
      api[method]!(listener as () => void);
      return true;
    });

  return {
    name,
    root: (__PLATFORM__ === 'all' || __PLATFORM__ === 'jd') && name === 'jd' ? '' : '/',
    host,

    post(url, headers, body, timeoutMs, done) {
      let task: Loose | undefined;
      let isSettled = false;
      const settle = (result: unknown): void => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(watchdog);
        done(readAnswer(result));
      };
      const abort = (): void => {
        attempt(() => (task!['abort'] as () => void)());
      };
      // Not every host honours `timeout`; the watchdog comes a little later so that the host's own answer wins.
      const watchdog = setTimeout(() => {
        settle(undefined);
        abort();
      }, timeoutMs + 500);
      const options: RequestOptions = {
        url,
        method: 'POST',
        data: body,
        timeout: timeoutMs,
        // Parsed here: with `json` Alipay turns an answer that is not JSON into a failure without a status.
        dataType: 'text',
        success: settle,
        fail: settle,
        [boxed ? 'headers' : 'header']: headers,
      };
      try {
        task = host.request!(options) as Loose;
      } catch {
        settle(undefined);
      }
      // Some hosts return a promise even when callbacks are given; its rejection would reach the app's handler.
      attempt(() => (task!['then'] as (ok: unknown, bad: () => void) => void)(undefined, () => undefined));
      return () => {
        isSettled = true;
        clearTimeout(watchdog);
        abort();
      };
    },

    read(key) {
      const value = boxed ? asObject(ask('getStorageSync', { key }))['data'] : ask('getStorageSync', key);
      return typeof value === 'string' && value ? value : undefined;
    },
    write(key, value) {
      return !!attempt(() => {
        const result = boxed ? api['setStorageSync']!({ key, data: value }) : api['setStorageSync']!(key, value);
        // Alipay and Baidu may return the error instead of throwing it.
        return !(result instanceof Error) && !asObject(result)['error'];
      });
    },
    remove(key) {
      ask('removeStorageSync', boxed ? { key } : key);
    },

    launchOptions: () => ask('getLaunchOptionsSync') as EnterOptions | undefined,
    enterOptions: () => ask('getEnterOptionsSync') as EnterOptions | undefined,

    listen,

    onNetwork(listener) {
      const hear = (status: unknown): void => {
        const type = text(asObject(status)['networkType']);
        const flag = asObject(status)['isConnected'];
        listener(
          flag === undefined ? !/^(none|notreachable)$/i.test(String(type)) : !!flag,
          type && type.toLowerCase(),
        );
      };
      ask('getNetworkType', { success: hear, fail: () => undefined });
      listen('onNetworkStatusChange', hear);
    },

    device() {
      // One call for everything is deprecated on WeChat since base library 2.20.1, and may ask for permissions.
      const info: Loose = api['getDeviceInfo']
        ? { ...asObject(ask('getDeviceInfo')), ...asObject(ask('getWindowInfo')), ...asObject(ask('getAppBaseInfo')) }
        : asObject(ask('getSystemInfoSync'));
      const system = text(info['system']) || '';
      const words = /^([^\d]*?)\s*([\d.].*)?$/.exec(system) || [];
      return {
        brand: text(info['brand']),
        model: text(info['model']),
        os: words[1] || text(info['platform']),
        osVersion: words[2],
        hostVersion: text(info['version']),
        baseLibraryVersion: text(info['SDKVersion']),
        language: text(info['language']),
        screenWidth: pixels(info['screenWidth']),
        screenHeight: pixels(info['screenHeight']),
      };
    },

    account() {
      const program = asObject(asObject(ask('getAccountInfoSync'))['miniProgram']);
      let { appId, version, envVersion } = program;
      if (__PLATFORM__ === 'all' || __PLATFORM__ === 'douyin' || __PLATFORM__ === 'baidu') {
        const env = asObject(ask('getEnvInfoSync'));
        const micro = asObject(env['microapp']);
        appId = appId || micro['appId'] || env['appKey'];
        version = version || micro['mpVersion'] || env['appVersion'];
        envVersion = envVersion || micro['envType'] || env['env'];
        envVersion = ENV_WORDS[String(envVersion)] || envVersion;
      }
      if (__PLATFORM__ === 'all' || __PLATFORM__ === 'alipay') appId = appId || asObject(ask('getAppIdSync'))['appId'];
      return { appId: text(appId), appVersion: text(version), envVersion: text(envVersion) };
    },

    sceneMark: (scene, apiCategory) => markOf(name, scene, apiCategory),

    wrapRegister(which, wrap) {
      // A name that does not exist throws, which is what the attempt is for.
      attempt(() => {
        if (which === 'App') App = wrap(App);
        else if (which === 'Page') Page = wrap(Page);
        else Component = wrap(Component);
      });
    },
  };
}

/** One text for an error of any shape: a string on most hosts, `{message, stack}` on some. */
export function describeError(error: unknown): string {
  const object = asObject(error);
  return String(object['stack'] || object['message'] || object['errMsg'] || error);
}

/** Hosts write a path with or without a slash before it. */
export const trimSlash = (path: unknown): string => String(path).replace(/^\//, '');

/** Route of a page, also within a component; hosts name it `route`, `__route__` (Douyin) or `uri` (Baidu). */
export function routeOf(page: object): string | undefined {
  const given = page as Loose;
  const route = given['route'] || given['__route__'] || given['uri'];
  return route ? trimSlash(route) : undefined;
}
