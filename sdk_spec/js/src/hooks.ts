/**
 * Hears what the host calls: wraps `App`, `Page` and `Component` once, when the library is loaded.
 *
 * It has to be then, because pages are registered before most apps call `init`. The wrappers only report to a
 * {@link HookSink}; until the sink has a client behind it nothing is recorded. The developer's handlers keep their
 * `this`, arguments, return value and exceptions. It refuses to decide what an event is (lifecycle.ts).
 */
import type { EnterOptions, Platform, Register, RegisterName } from './platform';
import { asObject, describeError, routeOf } from './platform';

export type ShareHook = 'onShareAppMessage' | 'onShareTimeline' | 'onAddToFavorites';

/** Where the hooks report. What a method throws is caught in {@link shield}. */
export interface HookSink {
  onLaunch(options?: EnterOptions): void;
  onShow(options?: EnterOptions): void;
  onHide(): void;
  onError(kind: 'error' | 'rejection', message: string): void;
  onPageLoad(page: object, query: unknown): void;
  onPageShow(page: object): void;
  /** Hidden or unloaded: hosts do not call both in every case. */
  onPageGone(page: object): void;
  /** Returns what the host shall get in place of `returned`. */
  onShare(hook: ShareHook, page: object, returned: unknown, event: unknown): unknown;
  wantsTap(): boolean;
  onTap(page: object, handler: string, event: Record<string, unknown>): void;
}

/** Runs a step of ours and swallows what it throws. */
export type Guard = <T>(step: () => T) => T | undefined;

/** `setTimeout` for a step of ours, guarded. */
export type Later = (step: () => void, delayMs: number) => ReturnType<typeof setTimeout>;

type Method = (this: object, ...args: unknown[]) => unknown;
type Methods = Record<string, unknown>;

/** Where hosts have none, there are no `behaviors` either. */
declare const Behavior: (options: { methods: Methods }) => unknown;

/** Marks what is wrapped, so that a second copy of the library, or a shared mixin, is not wrapped twice; and names the shared client. */
export const MARK = '__scenetrail__';
const SHARE_HOOKS: ShareHook[] = ['onShareAppMessage', 'onShareTimeline', 'onAddToFavorites'];
const TAPS = /^(tap|longtap|longpress)$/i;

const mark = <T extends object>(wrapped: T): T => Object.assign(wrapped, { [MARK]: true });

function isMarked(value: unknown): boolean {
  return typeof value === 'function' && MARK in value;
}

/**
 * Replace a method by one that also calls `before` and `after`; `after` is called even if the method throws.
 *
 * One that is missing is added, unless `isSparse`.
 */
function surround(methods: Methods, name: string, before: Method | 0, after?: Method, isSparse?: boolean): void {
  const original = methods[name];
  if (isMarked(original) || (original ? typeof original !== 'function' : isSparse)) return;
  methods[name] = mark(function (this: object, ...args: unknown[]): unknown {
    if (before) before.apply(this, args);
    try {
      return original && (original as Method).apply(this, args);
    } finally {
      if (after) after.apply(this, args);
    }
  });
}

/** The sink with every method inside `guard`: nothing of ours may reach the host. */
function shield(sink: HookSink, guard: Guard): HookSink {
  const safe: Methods = {};
  for (const [name, method] of Object.entries(sink)) {
    if (typeof method === 'function')
      safe[name] = (...args: unknown[]) => guard(() => (method as (...args: unknown[]) => unknown)(...args));
  }
  return safe as unknown as HookSink;
}

/** Install the hooks. */
export function installHooks(platform: Platform, unsafeSink: HookSink, guard: Guard): void {
  const sink = shield(unsafeSink, guard);
  const onError = (error: unknown): void => sink.onError('error', describeError(error));
  const hasShow = platform.listen('onAppShow', sink.onShow);
  const hasHide = platform.listen('onAppHide', sink.onHide);
  const hasError = platform.listen('onError', onError);
  platform.listen('onUnhandledRejection', (event: unknown) =>
    sink.onError('rejection', describeError(asObject(event)['reason'])),
  );
  // TRICKY: no listener for page-not-found. Its presence replaces the host's own error page.

  function wrapApp(options: Methods): void {
    surround(options, 'onLaunch', sink.onLaunch as Method);
    if (!hasShow) surround(options, 'onShow', sink.onShow as Method);
    if (!hasHide) surround(options, 'onHide', 0, sink.onHide);
    if (!hasError) surround(options, 'onError', onError);
  }

  function wrapShare(methods: Methods, hook: ShareHook): void {
    const original = methods[hook];
    if (typeof original !== 'function' || isMarked(original)) return;
    methods[hook] = mark(function (this: object, ...args: unknown[]): unknown {
      const returned = (original as Method).apply(this, args);
      const decorated = sink.onShare(hook, this, returned, args[0]);
      return decorated === undefined ? returned : decorated;
    });
  }

  function wrapTaps(methods: Methods): void {
    for (const name of Object.keys(methods)) {
      const original = methods[name];
      if (typeof original !== 'function' || isMarked(original) || /^on[A-Z]/.test(name)) continue;
      surround(methods, name, function (event) {
        const given = asObject(event);
        if (given['currentTarget'] && TAPS.test(String(given['type']))) sink.onTap(this, name, given);
      });
    }
  }

  /** Ours comes first in load and show, so that the page's own events follow it; last when it goes. */
  function wrapPage(methods: Methods, isPage: (self: object) => boolean, isSparse?: boolean): Methods {
    for (const hook of SHARE_HOOKS) wrapShare(methods, hook);
    if (sink.wantsTap()) wrapTaps(methods);
    const add = (name: string, before: Method | 0, after?: Method): void =>
      surround(methods, name, before, after, isSparse);
    add('onLoad', function (query) {
      if (isPage(this)) sink.onPageLoad(this, query);
    });
    add('onShow', function () {
      if (isPage(this)) sink.onPageShow(this);
    });
    const onGone = function (this: object): void {
      sink.onPageGone(this);
    };
    add('onHide', 0, onGone);
    add('onUnload', 0, onGone);
    return methods;
  }

  /** uni-app and others register pages with `Component`; then the page's hooks stand in `methods`. */
  function wrapComponent(options: Methods): void {
    // An ordinary component may have a method of its own called `onShow`; only a page has a route.
    const isPage = (self: object): boolean => !!routeOf(self);
    const { behaviors } = options;
    // TRICKY: a method added here would hide that of the same name in a behavior (a mixin on Alipay). What is missing
    // comes from a behavior of ours, the first, which all others override. Proof: test `a behavior's own onShow`.
    const isSparse = !!(behaviors || options['mixins']);
    options['methods'] = wrapPage((options['methods'] || {}) as Methods, isPage, isSparse);
    if (behaviors) options['behaviors'] = [Behavior({ methods: wrapPage({}, isPage) })].concat(behaviors);
  }

  function replace(name: RegisterName, wrap: (options: Methods) => void): void {
    platform.wrapRegister(name, (original) => {
      if (isMarked(original)) return original;
      const wrapped: Register = function (this: unknown, options, ...rest) {
        // Changed in place, as frameworks keep references to it; a frozen one throws and stays as it is.
        guard(() => wrap(options));
        return original.call(this, options, ...rest);
      };
      return mark(Object.assign(wrapped, original));
    });
  }

  replace('App', wrapApp);
  replace('Page', (options) => wrapPage(options, () => true));
  replace('Component', wrapComponent);
}
