/**
 * A phone with one mini-program on it: storage that outlives a kill, a network, a collector, and per platform the host
 * API with that platform's differences. Runs the built library in a fresh JavaScript context, as a host does.
 *
 * The collector here answers as the contract says; `collector.reply` makes it fail. Nothing here waits in real time.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import { FakeClock } from './fake_clock';
import type * as Sdk from '../src/index';

export type PlatformKey = 'wechat' | 'alipay' | 'douyin' | 'baidu' | 'qq' | 'kuaishou' | 'jd' | 'xiaohongshu';
export type PageStyle = 'native' | 'component' | 'taro';
export type Json = Record<string, any>;

interface HostTraits {
  global: string;
  /** A scene of an opened card, in the platform's own type and form. */
  scene: string | number;
  route: 'route' | '__route__' | 'uri';
  headers: 'header' | 'headers';
  status: 'statusCode' | 'status';
  /** Storage takes and gives objects. */
  isBoxed?: boolean;
  /** `fail` is called for 4xx and 5xx. */
  failsOnHttpError?: boolean;
  /** An empty query is `undefined`. */
  hasNoEmptyQuery?: boolean;
  /** `onAppShow` and its like exist; else only the hooks of `App`. */
  hasListeners: boolean;
  /** QQ, JD and Xiaohongshu define `wx` too. */
  hasWx?: boolean;
  /** A full storage returns an error instead of throwing it. */
  returnsStorageError?: boolean;
}

export const HOSTS: Record<PlatformKey, HostTraits> = {
  wechat: { global: 'wx', scene: 1044, route: 'route', headers: 'header', status: 'statusCode', hasListeners: true },
  alipay: {
    global: 'my',
    scene: '1007',
    route: 'route',
    headers: 'headers',
    status: 'status',
    isBoxed: true,
    failsOnHttpError: true,
    hasNoEmptyQuery: true,
    hasListeners: true,
    returnsStorageError: true,
  },
  douyin: {
    global: 'tt',
    scene: '024001',
    route: '__route__',
    headers: 'header',
    status: 'statusCode',
    hasListeners: true,
  },
  baidu: {
    global: 'swan',
    scene: '11600000',
    route: 'uri',
    headers: 'header',
    status: 'statusCode',
    hasListeners: true,
    returnsStorageError: true,
  },
  qq: {
    global: 'qq',
    scene: 1008,
    route: 'route',
    headers: 'header',
    status: 'statusCode',
    hasListeners: true,
    hasWx: true,
  },
  kuaishou: {
    global: 'ks',
    scene: '011001',
    route: 'route',
    headers: 'header',
    status: 'statusCode',
    hasListeners: false,
  },
  jd: {
    global: 'jd',
    scene: '001',
    route: 'route',
    headers: 'header',
    status: 'statusCode',
    hasListeners: false,
    hasWx: true,
  },
  xiaohongshu: {
    global: 'xhs',
    scene: '1001',
    route: 'route',
    headers: 'header',
    status: 'statusCode',
    hasListeners: false,
    hasWx: true,
  },
};

export const PLATFORM_KEYS = Object.keys(HOSTS) as PlatformKey[];

/** What the collector does with a request: answer after a while, refuse the connection, or stay silent. */
export type Reply = { status: number; body?: unknown; headers?: Json; delayMs?: number } | 'refused' | 'silent';

export interface ReceivedRequest {
  url: string;
  headers: Json;
  body: Json;
  at: number;
  isAborted: boolean;
}

const OK = (events: number): Json => ({ request_id: 'r', accepted: events, duplicates: 0, rejected: 0, errors: [] });

export class StubCollector {
  requests: ReceivedRequest[] = [];
  /** Events of requests that were answered with 200, in order of arrival. */
  stored: Json[] = [];
  reply: (body: Json, index: number) => Reply = (body) => ({ status: 200, body: OK(body['events'].length) });
  /** Most requests that were under way at once. */
  maxInFlight = 0;
  inFlight = 0;

  fail(reply: Reply): void {
    this.reply = () => reply;
  }

  recover(): void {
    this.reply = (body) => ({ status: 200, body: OK(body['events'].length) });
  }

  /** Each event once, the envelope's ids and platform beside it. */
  get events(): Json[] {
    const seen = new Map<string, Json>();
    for (const event of this.stored) if (!seen.has(event['event_id'])) seen.set(event['event_id'], event);
    return [...seen.values()];
  }

  names(): string[] {
    return this.events.map((event) => event['event'] as string);
  }

  find(name: string): Json {
    const found = this.events.filter((event) => event['event'] === name);
    if (!found.length) throw new Error(`no ${name} among ${this.names().join(' ')}`);
    return found[found.length - 1]!;
  }
}

const code = new Map<string, string>();
function built(name: string): string {
  if (!code.has(name)) code.set(name, readFileSync(new URL(`../../dist/${name}.js`, import.meta.url), 'utf8'));
  return code.get(name)!;
}

export interface PhoneOptions {
  platform?: PlatformKey;
  /** Which built file runs; the platform's own by default. */
  file?: string;
  style?: PageStyle;
}

export class Phone {
  readonly platform: PlatformKey;
  readonly traits: HostTraits;
  readonly style: PageStyle;
  readonly file: string;
  readonly clock = new FakeClock();
  readonly storage = new Map<string, unknown>();
  readonly collector = new StubCollector();
  isOnline = true;
  networkType = 'wifi';
  isStorageFull = false;
  latencyMs = 40;

  constructor({ platform = 'wechat', style = 'native', file }: PhoneOptions = {}) {
    this.platform = platform;
    this.traits = HOSTS[platform];
    this.style = style;
    this.file = file || platform;
  }

  /** Start the process: a context with the host's globals and the library loaded in it. */
  boot(): Run {
    return new Run(this);
  }

  /** A cold start as most apps have it: library, `init`, app, pages, launch, first page. */
  start(options: Partial<Sdk.Options> = {}, launch: Json = {}): Run {
    const run = this.boot();
    run.init(options);
    run.registerApp();
    run.registerPages();
    run.launch(launch);
    run.open(launch['path'] || 'pages/home/index', launch['query']);
    return run;
  }

  /** Let everything that is due be sent. */
  settle(ms = 6_000): void {
    this.clock.advance(ms);
  }
}

type Hook = (this: object, ...args: any[]) => any;

export class Run {
  readonly phone: Phone;
  readonly context: Json;
  readonly host: Json;
  readonly sdk: typeof Sdk;
  /** What the app and its pages were called with, as `page.hook`. */
  readonly calls: string[] = [];
  readonly consoleLines: unknown[][] = [];
  /** Errors that reached the host from a hook. */
  #listeners: Record<string, Hook[]> = {};
  #app: Json | undefined;
  #pages = new Map<string, Json>();
  #stack: Json[] = [];
  #launchOptions: Json = {};
  #enterOptions: Json = {};
  #pendingName = '';
  isKilled = false;

  constructor(phone: Phone) {
    this.phone = phone;
    phone.clock.isSuspended = false;
    const { clock } = phone;
    const alive =
      (callback: () => void): (() => void) =>
      () => {
        if (!this.isKilled) callback();
      };
    this.context = vm.createContext({
      setTimeout: (callback: () => void, ms: number) => clock.setTimeout(alive(callback), ms),
      clearTimeout: clock.clearTimeout,
      console: { log: (...line: unknown[]) => this.consoleLines.push(line) },
      App: (options: Json) => {
        this.#app = options;
      },
      Page: (options: Json) => {
        this.#pages.set(this.#pendingName, { options, methods: options });
      },
      // What a behavior holds is overridden by later ones and by the component itself.
      Behavior: (options: Json) => options,
      Component: (options: Json) => {
        const behaviors: Json[] = options['behaviors'] || [];
        const methods = Object.assign({}, ...behaviors.map((behavior) => behavior['methods']), options['methods']);
        this.#pages.set(this.#pendingName, { options, methods });
      },
      getCurrentPages: () => this.#stack,
    });
    const clockOf = { now: () => clock.now };
    vm.runInContext('(clock) => { Date.now = () => clock.now(); }', this.context)(clockOf);
    this.host = this.#makeHost();
    this.context[phone.traits.global] = this.host;
    if (phone.traits.hasWx) this.context['wx'] = this.host;
    this.sdk = this.load();
  }

  /** Load a copy of the library, as `require` does; a second copy must do no harm. */
  load(file = this.phone.file): typeof Sdk {
    const exports = {};
    vm.compileFunction(built(file), ['exports', 'module', 'require'], { parsingContext: this.context as vm.Context })(
      exports,
      { exports },
      undefined,
    );
    return exports as typeof Sdk;
  }

  init(options: Partial<Sdk.Options> = {}): void {
    this.sdk.init({ collectorUrl: 'https://collector.example', writeKey: 'wk_test', appId: 'wxapp0001', ...options });
  }

  registerApp(app: Json = {}): void {
    const note =
      (name: string): Hook =>
      (...args) => {
        this.calls.push(`app.${name}`);
        return app[name]?.apply(this.#app, args);
      };
    this.context['App']({ ...app, onLaunch: note('onLaunch'), onShow: note('onShow'), onHide: note('onHide') });
  }

  registerPages(pages: Record<string, Json> = {}): void {
    for (const name of new Set(['pages/home/index', 'pages/goods/detail', ...Object.keys(pages)]))
      this.registerPage(name, pages[name]);
  }

  registerPage(name: string, handlers: Json = {}): void {
    const { style } = this.phone;
    this.#pendingName = name;
    const noted: Json = { ...handlers };
    for (const hook of ['onLoad', 'onShow', 'onHide', 'onUnload']) {
      const own = handlers[hook] as Hook | undefined;
      const calls = this.calls;
      noted[hook] = function (this: object, ...args: unknown[]) {
        calls.push(`${name}.${hook}`);
        return own?.apply(this, args);
      };
    }
    if (style === 'component') this.context['Component']({ data: {}, methods: noted });
    else if (style === 'taro') this.context['Page']({ ...TARO_HOOKS, data: { root: {} }, ...noted });
    else this.context['Page']({ data: {}, ...noted });
  }

  /** Register a page by running its own file, which calls `Page`. */
  declarePage(name: string, file: () => void): void {
    this.#pendingName = name;
    file();
  }

  /** Options as this platform gives them. */
  #options(given: Json): Json {
    const { traits } = this.phone;
    const options: Json = { path: 'pages/home/index', scene: traits.scene, ...given };
    options['query'] = given['query'] || {};
    if (traits.hasNoEmptyQuery && !Object.keys(options['query']).length) options['query'] = undefined;
    return options;
  }

  launch(given: Json = {}): void {
    this.#launchOptions = this.#options(given);
    this.#app?.['onLaunch']?.call(this.#app, this.#launchOptions);
    this.show(given, true);
  }

  show(given: Json = {}, isCold = false): void {
    this.phone.clock.isSuspended = false;
    this.#enterOptions = isCold ? this.#launchOptions : this.#options(given);
    this.#emit('onAppShow', this.#enterOptions);
    this.#app?.['onShow']?.call(this.#app, this.#enterOptions);
    this.#top()?.['onShow']?.();
  }

  /** To the background; after 5 seconds the host stops the timers. */
  hide(): void {
    this.#top()?.['onHide']?.();
    this.#emit('onAppHide');
    this.#app?.['onHide']?.call(this.#app);
    this.phone.clock.advance(5_000);
    this.phone.clock.isSuspended = true;
  }

  /** The host ends the process without telling anyone. */
  kill(): void {
    this.isKilled = true;
    this.phone.clock.drop();
    this.phone.collector.inFlight = 0;
  }

  open(name: string, query: Json = {}): Json {
    this.#top()?.['onHide']?.();
    const page = this.#instantiate(name);
    this.#stack.push(page);
    page['onLoad']?.(query);
    page['onShow']?.();
    return page;
  }

  redirect(name: string, query: Json = {}): Json {
    this.#stack.pop()?.['onUnload']?.();
    return this.open(name, query);
  }

  back(): void {
    this.#stack.pop()?.['onUnload']?.();
    this.#top()?.['onShow']?.();
  }

  /** Call a handler of the visible page as the host does. */
  callPage(hook: string, ...args: unknown[]): any {
    return this.#top()![hook](...args);
  }

  raise(message: string): void {
    this.#emit('onError', message);
    if (!this.phone.traits.hasListeners) this.#app?.['onError']?.call(this.#app, message);
  }

  setNetwork(isOnline: boolean, type = isOnline ? 'wifi' : 'none'): void {
    this.phone.isOnline = isOnline;
    this.phone.networkType = type;
    this.#emit('onNetworkStatusChange', { isConnected: isOnline, networkType: type });
  }

  #top(): Json | undefined {
    return this.#stack[this.#stack.length - 1];
  }

  #instantiate(name: string): Json {
    const registered = this.#pages.get(name);
    if (!registered) throw new Error(`page ${name} is not registered`);
    const page: Json = { [this.phone.traits.route]: name, setData: (data: Json) => Object.assign(page['data'], data) };
    for (const [key, value] of Object.entries(registered['methods']))
      page[key] = typeof value === 'function' ? value.bind(page) : value;
    return page;
  }

  #emit(event: string, value?: unknown): void {
    for (const listener of this.#listeners[event] || []) listener.call({}, value);
  }

  #makeHost(): Json {
    const { phone } = this;
    const { traits } = phone;
    const listen = (event: string) => (listener: Hook) =>
      void (this.#listeners[event] = [...(this.#listeners[event] || []), listener]);
    const full = (): unknown => {
      const error = traits.isBoxed
        ? { error: 14, errorMessage: 'exceed max size' }
        : vm.runInContext('new Error("exceed max size")', this.context as vm.Context);
      if (traits.returnsStorageError) return error;
      throw error;
    };
    const host: Json = {
      request: (options: Json) => this.#request(options),
      getStorageSync: (key: any) =>
        traits.isBoxed ? { data: phone.storage.get(key.key) ?? null } : (phone.storage.get(key) ?? ''),
      setStorageSync: (key: any, value: unknown) => {
        if (phone.isStorageFull) return full();
        phone.storage.set(traits.isBoxed ? key.key : key, traits.isBoxed ? key.data : value);
        return undefined;
      },
      removeStorageSync: (key: any) => void phone.storage.delete(traits.isBoxed ? key.key : key),
      getLaunchOptionsSync: () => this.#launchOptions,
      getEnterOptionsSync: () => this.#enterOptions,
      getNetworkType: ({ success }: Json) =>
        phone.clock.setTimeout(() => !this.isKilled && success({ networkType: phone.networkType }), 5),
      onNetworkStatusChange: listen('onNetworkStatusChange'),
      getAccountInfoSync: () => ({ miniProgram: { appId: 'wxapp0001', envVersion: 'release', version: '1.4.2' } }),
    };
    const device = { brand: 'Xiaomi', model: '2304FPN6DC', platform: 'android', system: 'Android 13' };
    const app = { version: '8.0.50', SDKVersion: '3.5.8', language: 'zh_CN' };
    const window = { screenWidth: 392.7, screenHeight: 873 };
    if (phone.platform === 'wechat') {
      Object.assign(host, {
        getDeviceInfo: () => device,
        getWindowInfo: () => window,
        getAppBaseInfo: () => app,
        getSystemInfoSync: () => {
          throw new Error('deprecated since base library 2.20.1, must not be called');
        },
      });
    } else host['getSystemInfoSync'] = () => ({ ...device, ...app, ...window });
    if (phone.platform === 'douyin') {
      delete host['getAccountInfoSync'];
      host['getEnvInfoSync'] = () => ({ microapp: { appId: 'tt0001', mpVersion: '1.4.2', envType: 'production' } });
    }
    if (traits.hasListeners) {
      for (const event of ['onAppShow', 'onAppHide', 'onError', 'onUnhandledRejection']) host[event] = listen(event);
    }
    // Calling one of these is a fault in itself: gated by the user's permission, deprecated, or changing the host's behaviour.
    for (const name of [
      'getLocation',
      'getSetting',
      'getUserProfile',
      'getUserInfo',
      'login',
      'getClipboardData',
      'getShareInfo',
      'onPageNotFound',
      'getSystemInfo',
    ]) {
      host[name] = () => {
        throw new Error(`${name} must not be called`);
      };
    }
    return host;
  }

  #request(options: Json): Json {
    const { phone } = this;
    const { collector, traits, clock } = phone;
    const received: ReceivedRequest = {
      url: options['url'],
      headers: options[traits.headers] || {},
      body: {},
      at: clock.now,
      isAborted: false,
    };
    received.body = JSON.parse(options['data']);
    const index = collector.requests.push(received) - 1;
    collector.maxInFlight = Math.max(collector.maxInFlight, ++collector.inFlight);
    const reply: Reply = phone.isOnline ? collector.reply(received.body, index) : 'refused';
    if (
      typeof reply === 'object' &&
      reply.status === 200 &&
      (reply.body as Json | undefined)?.['accepted'] !== undefined
    ) {
      const { events, ...envelope } = received.body;
      collector.stored.push(...(events as Json[]).map((event) => ({ ...envelope, ...event })));
    }
    const finish = (callback: () => void): void => {
      collector.inFlight--;
      if (!this.isKilled && !received.isAborted) callback();
    };
    if (reply !== 'silent') {
      clock.setTimeout(
        () => {
          if (reply === 'refused') return finish(() => options['fail']({ errMsg: 'request:fail' }));
          const result = {
            [traits.status]: reply.status,
            data:
              typeof reply.body === 'string'
                ? reply.body
                : JSON.stringify(reply.body ?? { error: 'x', message: 'x', request_id: 'r' }),
            [traits.headers]: reply.headers || {},
          };
          const isFailure = traits.failsOnHttpError && reply.status >= 400;
          finish(() =>
            isFailure
              ? options['fail']({ error: 19, errorMessage: 'http status error', ...result })
              : options['success'](result),
          );
        },
        (typeof reply === 'object' && reply.delayMs) || phone.latencyMs,
      );
    }
    return {
      abort: () => {
        if (!received.isAborted) collector.inFlight--;
        received.isAborted = true;
      },
    };
  }
}

/** Hooks that a page made by Taro's `createPageConfig` has, whether the component uses them or not. */
const TARO_HOOKS: Json = Object.fromEntries(
  [
    'onReady',
    'onPullDownRefresh',
    'onReachBottom',
    'onPageScroll',
    'onResize',
    'onTabItemTap',
    'onTitleClick',
    'onOptionMenuClick',
    'onKeyboardHeight',
    'onPopMenuClick',
    'onPullIntercept',
  ].map((name) => [name, () => undefined]),
);
