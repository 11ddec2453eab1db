/**
 * Turns what the host calls into automatic events, and keeps what the coming events carry: entry, page, card.
 *
 * Hosts call hooks twice, late or never; the state here is what makes each event happen once:
 * - a launch is taken from `onLaunch`, else from the first show, page or event (independent subpackages and plugins have
 *   no `App`; `init` may come late, after consent);
 * - a show while shown, within a second or right after one that was made up here, is an echo;
 * - one page is visible at a time; hiding another one means nothing; the app's hide also ends the page's stay.
 * Durations are clamped differences of the wall clock.
 */
import { readEntry, readQuery, joinQuery, type Entry } from './entry';
import type { HookSink, Later, ShareHook } from './hooks';
import { durationMs } from './payload';
import { asObject, routeOf, type EnterOptions, type Platform } from './platform';
import { addToPath, decorateShare, newCard, shareQuery, sharePathOf, stripPath } from './share';
import type { AutoTrack, Properties, ShareCard, ShareChannel, ShareInfo } from './types';
import type { SessionKeeper } from './session';

/** Fields of an event beside its properties. */
export interface EventFields {
  page?: string;
  pageQuery?: string;
  referrerPage?: string;
  shareTicket?: string;
  durationMs?: number;
}

/** The client, as the lifecycle sees it. */
export interface Recorder {
  isAuto(name: keyof AutoTrack): boolean;
  readonly sessions: SessionKeeper;
  /** Record an automatic event if it is switched on. `isClosing`: it ends something and begins no session. */
  auto(name: keyof AutoTrack, properties: Properties, fields?: EventFields, isClosing?: boolean): void;
  /** The app left the foreground: everything of the event loop after this may never run. */
  onHide(): void;
  onShow(): void;
}

export interface Lifecycle extends HookSink {
  readonly entry: Entry | undefined;
  /** Route of the page that was loaded or shown last. */
  readonly route: string | undefined;
  /** From now on events go to the recorder. */
  start(recorder: Recorder): void;
  /** Make sure that launch and show were recorded; called before every event. */
  ensureLaunched(): void;
  makeCard(path: string | undefined, channel: ShareChannel): ShareCard;
}

const ECHO_MS = 1_000;
/** With no sign of a launch for this long after `init`, the host has no hooks to give. */
const LAUNCH_WAIT_MS = 1_000;
const MAX_ERRORS_PER_MINUTE = 10;

const CHANNELS: Record<ShareHook, ShareChannel> = {
  onShareAppMessage: 'message',
  onShareTimeline: 'timeline',
  onAddToFavorites: 'favorite',
};

/**
 * @param later runs a step of ours after a time.
 */
export function createLifecycle(platform: Platform, later: Later): Lifecycle {
  let recorder: Recorder | undefined;
  let entry: Entry | undefined;
  let launchOptions: EnterOptions | undefined;
  let showOptions: EnterOptions | undefined;
  let isLaunched = false;
  let isForeground = false;
  /** The last show was made up here; the host's own may still come. */
  let isShowMadeUp = false;
  let shownAt = 0;
  let page: object | undefined;
  let pageShownAt = 0;
  let lastRoute: string | undefined;
  let route: string | undefined;
  let errorsSince = 0;
  let errorCount = 0;
  const queries = new WeakMap<object, string>();

  const pageQuery = (): string | undefined => (page && queries.get(page)) || undefined;

  function enter(options: EnterOptions | undefined): Entry {
    const next = readEntry(options, platform.sceneMark);
    const { sessions } = recorder!;
    sessions.touch(Date.now());
    // The session keeps its card and campaign until others arrive.
    const { card, utm } = next;
    sessions.addOrigin({ ...card, ...(utm && { utm }) });
    return (entry = next);
  }

  function launch(options: EnterOptions | undefined): void {
    if (isLaunched || !recorder) return;
    isLaunched = true;
    const from = enter(options || platform.launchOptions());
    recorder.auto('appLaunch', from.properties, from.fields);
  }

  function show(options: EnterOptions | undefined, isMadeUp: boolean): void {
    if (!recorder) return;
    const now = Date.now();
    const isEcho = isForeground && (isShowMadeUp || Math.abs(now - shownAt) < ECHO_MS);
    isShowMadeUp = isMadeUp;
    if (isEcho) return;
    isForeground = true;
    shownAt = now;
    const from = enter(options || platform.enterOptions() || platform.launchOptions());
    recorder.auto('appShow', from.properties, from.fields);
    recorder.onShow();
  }

  function ensureLaunched(): void {
    if (isLaunched || !recorder) return;
    launch(launchOptions || showOptions);
    show(showOptions || launchOptions, true);
  }

  function viewPage(): void {
    if (!recorder || !page || pageShownAt) return;
    pageShownAt = Date.now();
    recorder.auto('pageView', {}, { page: route, pageQuery: pageQuery(), referrerPage: lastRoute });
  }

  function leavePage(): void {
    if (!page) return;
    if (recorder && pageShownAt)
      recorder.auto(
        'pageLeave',
        {},
        { page: routeOf(page), pageQuery: pageQuery(), durationMs: durationMs(pageShownAt) },
        true,
      );
    lastRoute = routeOf(page);
    page = undefined;
  }

  function recordShare(card: ShareInfo, channel: ShareChannel, path: string, from?: unknown): void {
    recorder!.auto('share', {
      share_id: card.shareId,
      parent_share_id: recorder!.sessions.session.origin.shareId,
      depth: card.depth,
      share_channel: channel,
      share_path: path,
      from,
    });
  }

  return {
    get entry() {
      return entry;
    },
    get route() {
      return route || (entry && entry.fields.page);
    },

    start(target) {
      recorder = target;
      const begin = (): void => {
        ensureLaunched();
        // The page that was there before `init` came.
        viewPage();
      };
      // Not at once: what follows `init` in the same step (super properties, ids) shall be in the first event.
      const hasSigns = !!launchOptions || !!showOptions || !!page;
      later(begin, hasSigns ? 0 : LAUNCH_WAIT_MS);
    },
    ensureLaunched,

    onLaunch(options) {
      launchOptions = options || platform.launchOptions() || {};
      launch(launchOptions);
    },
    onShow(options) {
      showOptions = options || {};
      if (!recorder) return;
      launch(launchOptions || options);
      show(options, false);
    },
    onHide() {
      showOptions = undefined;
      if (!recorder) return;
      ensureLaunched();
      leavePage();
      if (!isForeground) return;
      isForeground = isShowMadeUp = false;
      recorder.auto('appHide', {}, { page: route, durationMs: durationMs(shownAt) }, true);
      lastRoute = undefined;
      recorder.onHide();
    },
    onError(kind, message) {
      if (!recorder) return;
      const now = Date.now();
      if (Math.abs(now - errorsSince) > 60_000) {
        errorsSince = now;
        errorCount = 0;
      }
      if (errorCount++ < MAX_ERRORS_PER_MINUTE) recorder.auto('appError', { kind, message });
    },

    onPageLoad(next, query) {
      queries.set(next, joinQuery(readQuery(query)));
      // What the page tracks in its own onLoad belongs to it already.
      route = routeOf(next);
    },
    onPageShow(next) {
      if (next === page) return;
      ensureLaunched();
      leavePage();
      page = next;
      route = routeOf(next);
      pageShownAt = 0;
      viewPage();
    },
    onPageGone(gone) {
      if (gone === page) leavePage();
    },

    onShare(hook, sharing, returned, event) {
      if (!recorder) return returned;
      ensureLaunched();
      const card = newCard(recorder.sessions.session.origin.depth);
      const hasCard = recorder.isAuto('share');
      if (hook === 'onAddToFavorites') recorder.auto('addFavorite', hasCard ? { share_id: card.shareId } : {});
      if (!hasCard) return returned;
      const query = queries.get(sharing) || '';
      const path = routeOf(sharing) || route || '';
      const own = path && path + (query ? '?' + query : '');
      const isMessage = hook === 'onShareAppMessage';
      const { from } = asObject(event);
      recordShare(card, CHANNELS[hook], isMessage ? sharePathOf(returned, own) : own, from);
      return decorateShare(returned, isMessage ? 'path' : 'query', isMessage ? own && platform.root + own : query, card);
    },
    makeCard(path, channel) {
      ensureLaunched();
      const card = newCard(recorder!.sessions.session.origin.depth);
      const own = path || (route || '') + (pageQuery() ? '?' + pageQuery() : '');
      recordShare(card, channel, stripPath(own));
      return { ...card, path: addToPath(own, card), query: shareQuery(card) };
    },

    wantsTap: () => !!recorder && recorder.isAuto('tap'),
    onTap(_page, handler, event) {
      if (!recorder) return;
      const target = event['currentTarget'] as { id?: unknown; dataset?: Record<string, unknown> };
      // Of the data attributes only the one that is meant for tracking: others may hold personal data.
      recorder.auto('tap', {
        handler,
        element_id: target.id || undefined,
        element: target.dataset && target.dataset['track'],
        kind: event['type'],
      });
    },
  };
}
