/**
 * The client: joins session, store, emitter and lifecycle, and holds the consent.
 *
 * One exists per JavaScript context, however many copies of the library are loaded (index.ts). Nothing here throws
 * into the host: every API method and every timer runs in {@link guard}. Consent decides what may be touched:
 * `pending` memory only, `granted` storage and network, `denied` nothing.
 */
import { consoleSink, readConfig, type Config } from './config';
import { createEmitter, type Emitter } from './emitter';
import { createEventStore, type Context, type EventStore } from './event_store';
import { installHooks, type Guard, type Later } from './hooks';
import { createLifecycle, type EventFields } from './lifecycle';
import { asId, durationMs, encodeBatch, encodeContext, encodeEvent, toProperties, toSnakeCase } from './payload';
import { attempt, type Device, type Platform } from './platform';
import { EVENT_ID_CHARS, randomId } from './random';
import { createSessionKeeper, type Identity, type SessionKeeper } from './session';
import type { Consent, DebugSink, Ids, Options, Properties, ShareChannel } from './types';

/** A kill without a hide costs the events of this time; each write blocks the app for about a millisecond. */
const PERSIST_DELAY_MS = 300;
/** Calls before `init` that are kept and made up for. */
const MAX_EARLY_CALLS = 100;

/** One method of the API: the time of the call, then its arguments. */
type ApiMethod = (at: number, ...args: never[]) => unknown;

/**
 * One app's client. Its only method takes the name of an API function, so that copies of other versions can share it: a
 * name that this version does not know does nothing.
 */
export interface Client {
  call(name: string, args: unknown[]): unknown;
}

export function createClient(platform: Platform): Client {
  let debug: DebugSink | undefined;
  let config: Config | undefined;
  let consent: Consent = 'pending';
  let sessions: SessionKeeper;
  let store: EventStore;
  let emitter: Emitter | undefined;
  let isQueueRestored = false;
  let persistTimer: ReturnType<typeof setTimeout> | undefined;
  let device: Device | undefined;
  let networkType: string | undefined;
  let current: { identity: Identity; networkType: string | undefined; context: Context } | undefined;
  /** Contexts made before consent. */
  const pending: (typeof current & object)[] = [];
  let early: [string, unknown[], number][] = [];
  let timers: Record<string, number> = {};

  function note(message: string, detail?: unknown): void {
    // A debug function of the app that throws is the app's to find.
    attempt(() => debug && debug(message, detail));
  }

  const guard: Guard = (step) => {
    try {
      return step();
    } catch (error) {
      note('internal error', error);
      return undefined;
    }
  };

  const later: Later = (step, delayMs) => setTimeout(() => guard(step), delayMs);

  const lifecycle = createLifecycle(platform, later);
  installHooks(platform, lifecycle, guard);

  const key = (name: string): string => `scenetrail_${config!.appId}_${name}`;

  // ---- storage, only with consent

  function persist(): void {
    clearTimeout(persistTimer);
    persistTimer = undefined;
    if (consent !== 'granted') return;
    restoreQueue();
    sessions.persist();
    store.persist();
  }

  function persistSoon(): void {
    if (persistTimer === undefined && consent === 'granted')
      persistTimer = later(persist, PERSIST_DELAY_MS);
  }

  /** Off the way of the app's start: a full queue takes some milliseconds to read. Always before the first write. */
  function restoreQueue(): void {
    if (isQueueRestored || consent !== 'granted') return;
    isQueueRestored = true;
    store.restore();
    if (store.size && emitter) emitter.onAdd();
  }

  // ---- events

  const noteLeftOut = (name: string): void => note(`property left out: ${name}`);

  /** Who and on what the events from now on are. Shared by them until an id or the network changes. */
  function currentContext(): Context {
    const { identity } = sessions;
    if (!current || current.identity !== identity || (current.networkType && current.networkType !== networkType)) {
      const { appVersion, envVersion } = config!.account;
      let memo: string | undefined;
      const made = {
        identity,
        networkType,
        context: {
          text: () => {
            device = device || platform.device();
            // The network's type is told a moment after the start.
            made.networkType = made.networkType || networkType;
            return (memo =
              memo ||
              encodeContext({
                ...made.identity,
                appVersion,
                envVersion,
                device: { ...device, networkType: made.networkType },
              }));
          },
        },
      };
      current = made;
      if (consent === 'pending') pending.push(made);
    }
    return current.context;
  }

  function record(
    event: string,
    given: Properties | undefined,
    fields?: EventFields,
    isClosing?: boolean,
    at = Date.now(),
    isOfUser?: boolean,
  ): void {
    if (consent === 'denied') return note(`consent denied: ${event}`);
    lifecycle.ensureLaunched();
    const { id, seq } = sessions.next(at, isClosing);
    const { entry } = lifecycle;
    const { depth, ...origin } = sessions.session.origin;
    const mark = entry && entry.mark && { ['is_' + entry.mark]: true };
    const properties = toProperties(isOfUser ? [given] : [sessions.superProperties, given, mark], noteLeftOut);
    const json = encodeEvent({
      eventId: randomId(EVENT_ID_CHARS),
      event,
      occurredAt: at,
      sessionId: id,
      seq,
      page: lifecycle.route,
      ...(entry && entry.common),
      ...origin,
      ...fields,
      properties,
    });
    note(event, json);
    store.add(json, currentContext());
    persistSoon();
    if (emitter) emitter.onAdd();
  }

  /** Losses are told to the collector once something gets through again. */
  function reportDrops(): void {
    const drops = store.takeDrops();
    const reasons = Object.keys(drops);
    if (reasons.length)
      record(
        'sdk_events_dropped',
        { ...drops, count: reasons.reduce((sum, reason) => sum + drops[reason]!, 0) },
        {},
        true,
      );
  }

  function newEmitter(): Emitter {
    const { eventsUrl, writeKey, appId, platform: name, requestTimeoutMs, flushIntervalMs, batchSize } = config!;
    // Exactly this content type: JD on iOS takes none with a charset.
    const headers = { 'content-type': 'application/json', 'X-Write-Key': writeKey };
    return createEmitter({
      store,
      post: (batch, done) => {
        const body = encodeBatch(
          appId,
          name,
          Date.now(),
          batch[0]!.context.text(),
          batch.map((event) => event.json),
        );
        return platform.post(eventsUrl, headers, body, requestTimeoutMs, (answer) => guard(() => done(answer)));
      },
      flushIntervalMs,
      batchSize,
      onDelivered: reportDrops,
      onChange: persistSoon,
      later,
      note,
    });
  }

  // ---- consent

  function grant(): void {
    consent = 'granted';
    sessions.restore(Date.now());
    // An id made before consent gives way to the one that an earlier run has stored, also in events from before an `identify`.
    const { anonymousId } = sessions.identity;
    for (const made of pending) made.identity = { ...made.identity, anonymousId };
    emitter = newEmitter();
    isQueueRestored = false;
    later(restoreQueue, 0);
    if (store.size) emitter.onAdd();
    persistSoon();
  }

  function deny(): void {
    consent = 'denied';
    if (emitter) emitter.stop();
    emitter = current = undefined;
    store.clear();
    sessions.clear();
    timers = {};
  }

  function decide(decision: 'granted' | 'denied'): void {
    if (consent === decision) return;
    note(`consent ${decision}`);
    if (decision === 'granted') grant();
    else deny();
    // After the queue is cleared: where storage was full, the refusal has room now.
    platform.write(key('consent'), decision);
  }

  function start(options: Options): void {
    if (config) return note('init ignored');
    debug = options.debug === true ? consoleSink : options.debug || undefined;
    const resolved = readConfig(options, platform);
    if (typeof resolved === 'string') return note(`not started: ${resolved} is missing`);
    config = resolved;
    const { eventsUrl, isAuto } = config;
    sessions = createSessionKeeper(platform, key('session'), config.sessionTimeoutMs, Date.now());
    store = createEventStore(platform, key('queue'), config.maxQueueEvents, note);
    consent = (platform.read(key('consent')) as Consent | undefined) || config.consent;
    note(`started, consent ${consent}`, eventsUrl);
    if (consent === 'granted') grant();
    else if (consent === 'denied') deny();
    platform.onNetwork((isOnline, type) =>
      guard(() => {
        networkType = type;
        if (emitter) emitter.onNetwork(isOnline);
      }),
    );
    lifecycle.start({
      isAuto: (name) => consent !== 'denied' && isAuto(name),
      auto: (name, properties, fields, isClosing) =>
        isAuto(name) && record(toSnakeCase(name), properties, fields, isClosing),
      sessions,
      onHide: () => {
        persist();
        if (emitter) emitter.flushOnHide();
      },
      onShow: () => emitter && emitter.onShow(),
    });
    const calls = early;
    early = [];
    for (const [name, args, at] of calls) invoke(name, args, at);
  }

  const api: Record<string, ApiMethod> = {
    init: (_at, options: Options) => start(options || {}),
    track(at, event: string, properties?: Properties) {
      const name = asId(event);
      if (!name) return note('wrong name', event);
      // The launch comes before the event that reveals it.
      lifecycle.ensureLaunched();
      const startedAt = timers[name];
      delete timers[name];
      record(
        name,
        properties,
        // Not a number: an event may be called `constructor`.
        typeof startedAt === 'number' ? { durationMs: durationMs(startedAt, at) } : {},
        false,
        at,
      );
    },
    identify(at, ids: Ids) {
      if (sessions.setIds(ids || {})) record('identify', {}, {}, false, at, true);
      else note('no new id', ids);
    },
    changeUser: (at, event: string, properties: Properties) => record(event, properties, {}, false, at, true),
    registerSuperProperties(_at, properties: Properties) {
      sessions.setSuperProperties(toProperties([sessions.superProperties, properties], noteLeftOut));
      persistSoon();
    },
    timeEvent(at, event: string) {
      timers[event] = at;
    },
    setGroupId(_at, groupId: string) {
      lifecycle.ensureLaunched();
      sessions.addOrigin({ groupId: asId(groupId) });
      persistSoon();
    },
    flush: () => emitter && emitter.flush(),
    optIn: () => decide('granted'),
    optOut: () => decide('denied'),
    reset() {
      sessions.reset();
      timers = {};
      persistSoon();
    },
    getShareInfo() {
      lifecycle.ensureLaunched();
      const { shareId, depth } = sessions.session.origin;
      return shareId ? { shareId, depth } : undefined;
    },
    createShareCard: (_at, path?: string, channel?: ShareChannel) => lifecycle.makeCard(path, channel || 'copy'),
    getStats: () => ({
      queued: store.size,
      delivered: 0,
      rejected: 0,
      ...(emitter && emitter.stats),
      dropped: { ...store.dropTotals },
    }),
  };

  function invoke(name: string, args: unknown[], at: number): unknown {
    return guard(() => api[name] && api[name]!(at, ...(args as never[])));
  }

  return {
    call(name, args) {
      const at = Date.now();
      if (config || name === 'init') return invoke(name, args, at);
      // Before `init`: kept, with the time of the call. What asks for a value gets none.
      if (name !== 'createShareCard' && early.length < MAX_EARLY_CALLS) early.push([name, args, at]);
      return undefined;
    },
  };
}
