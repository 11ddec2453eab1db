/**
 * Sends batches and decides from the answer what becomes of them.
 *
 * One request at a time in the foreground, a second one only when the app goes to the background: a mini-program has
 * 10 request slots in all, and they belong to the app. Events leave the store only after the collector's answer.
 * It refuses to decide what an event is (client.ts) and where events wait (event_store.ts).
 *
 * | answer | the batch |
 * | --- | --- |
 * | 200 with the collector's JSON, 422 | removed; refused events are named in the debug log |
 * | 408, 429, 5xx, other statuses, 200 without the collector's JSON, no answer | kept; again after `Retry-After`, else after a growing, random time |
 * | 413 | cut in two if it has more than one event, else dropped |
 * | other 4xx | dropped and counted |
 */
import type { Later } from './hooks';
import type { Answer } from './platform';
import type { EventStore, StoredEvent } from './event_store';

/** Events in a request; a request of 50 is about 25 KB and is sent well within the 5 seconds after a hide. */
const MAX_BATCH_EVENTS = 50;
const MAX_BATCH_CHARS = 60_000;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;
/** A server that asks for more is asked again after an hour. */
const RETRY_AFTER_MAX_MS = 3_600_000;
/** Spreads the clients that come back online together. */
const ONLINE_JITTER_MS = 1_000;
/** A host may report "offline" wrongly or never report "online"; after this it is tried again. */
const OFFLINE_PROBE_MS = 60_000;

export interface EmitterOptions {
  store: EventStore;
  /** Encodes the batch and posts it; returns a function that aborts. */
  post(batch: StoredEvent[], done: (answer: Answer | undefined) => void): () => void;
  flushIntervalMs: number;
  batchSize: number;
  /** After an accepted batch: the moment to report drops, since reports get through now. */
  onDelivered(): void;
  /** The store changed and should soon be persisted. */
  onChange(): void;
  later: Later;
  note(message: string, detail?: unknown): void;
}

export interface Emitter {
  /** Since the start of this run. */
  readonly stats: { delivered: number; rejected: number };
  /** An event was added: send when there are enough, else within the flush interval. */
  onAdd(): void;
  /** Send all that waits. Passes over the own backoff, never over the server's `Retry-After`. */
  flush(): void;
  /** The app goes to the background: one request now, beside one that may be under way. */
  flushOnHide(): void;
  /** The app is back: timers may have slept. */
  onShow(): void;
  onNetwork(isOnline: boolean): void;
  /** Abort what is under way and send nothing more. */
  stop(): void;
}

export function createEmitter({
  store,
  post,
  flushIntervalMs,
  batchSize,
  onDelivered,
  onChange,
  later,
  note,
}: EmitterOptions): Emitter {
  const stats = { delivered: 0, rejected: 0 };
  let inFlight = 0;
  /** Of the last two requests, more are never under way; aborting one that is over does nothing. */
  let aborts: (() => void)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let timerAt = 0;
  let failureCount = 0;
  /** Own backoff, and the server's wish; wall-clock milliseconds. */
  let backoffUntil = 0;
  let heldUntil = 0;
  let offlineUntil = 0;
  /** The clock when it was last looked at. */
  let seenAt = 0;
  let batchLimit = MAX_BATCH_EVENTS;
  let isStopped = false;

  /** Wake up at a time; an earlier wake-up stays. */
  function wakeIn(delayMs: number): void {
    const at = Date.now() + delayMs;
    if (timer !== undefined && timerAt <= at) return;
    clearTimeout(timer);
    timerAt = at;
    timer = later(() => {
      timer = undefined;
      drain(1);
    }, delayMs);
  }

  /** Milliseconds until sending is allowed. */
  function waitMs(): number {
    const now = Date.now();
    if (now < seenAt) {
      // The clock was set back: what is waited for moves with it.
      backoffUntil += now - seenAt;
      heldUntil += now - seenAt;
      offlineUntil += now - seenAt;
    }
    seenAt = now;
    return Math.max(backoffUntil - now, heldUntil - now, offlineUntil - now, 0);
  }

  function drain(slots: number): void {
    if (isStopped || inFlight >= slots || !store.size) return;
    const wait = waitMs();
    if (wait) return wakeIn(wait);
    const batch = store.peek(batchLimit, MAX_BATCH_CHARS);
    if (batch.length) send(batch);
  }

  function send(batch: StoredEvent[]): void {
    for (const event of batch) event.isSending = true;
    note(`sending ${batch.length}`);
    inFlight++;
    const abort = post(batch, (answer) => {
      inFlight--;
      for (const event of batch) event.isSending = false;
      if (!isStopped) settle(batch, answer);
    });
    aborts = [abort, ...aborts.slice(0, 1)];
  }

  function settle(batch: StoredEvent[], answer: Answer | undefined): void {
    const status = answer ? answer.status : 0;
    const body = answer ? answer.body : {};
    if (status === 422 || (status === 200 && typeof body['accepted'] === 'number')) {
      const rejected = status === 422 ? batch.length : Number(body['rejected']) || 0;
      store.remove(batch);
      stats.delivered += batch.length - rejected;
      stats.rejected += rejected;
      failureCount = backoffUntil = heldUntil = 0;
      note(`delivered ${batch.length - rejected}, refused ${rejected}`, body['errors']);
      if (status === 200) onDelivered();
    } else if (status === 413 && batch.length > 1) {
      batchLimit = Math.ceil(batch.length / 2);
      note(`too large, now ${batchLimit}`);
    } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      // Sending it again would not help: a wrong key, a wrong app, a body the collector cannot read.
      store.remove(batch);
      store.countDrop('refused', batch.length);
      // One event was too large by itself: the others are not.
      batchLimit = MAX_BATCH_EVENTS;
      note(`answer ${status}`, body);
    } else {
      retryLater(status, answer && answer.retryAfterMs);
      return;
    }
    onChange();
    wakeIn(0);
  }

  function retryLater(status: number, retryAfterMs: number | undefined): void {
    // The clock may have been set back since the request left: what is waited for from now on does not move with it.
    waitMs();
    const now = seenAt;
    const ceiling = Math.min(BACKOFF_BASE_MS * 2 ** failureCount++, BACKOFF_MAX_MS);
    if (retryAfterMs !== undefined) {
      // A tenth of jitter on top: clients told the same time must not come back together.
      heldUntil =
        now + Math.min(Math.max(retryAfterMs, BACKOFF_BASE_MS), RETRY_AFTER_MAX_MS) * (1 + Math.random() / 10);
      backoffUntil = now;
    } else backoffUntil = now + ceiling * (0.5 + Math.random() / 2);
    note(`answer ${status === 200 ? 'of another server' : status || 'none'}, again in ${Math.ceil(waitMs())} ms`);
    wakeIn(waitMs());
  }

  return {
    stats,
    onAdd() {
      if (!isStopped) wakeIn(store.size >= batchSize ? 0 : flushIntervalMs);
    },
    flush() {
      backoffUntil = 0;
      wakeIn(0);
    },
    flushOnHide() {
      // Timers sleep in the background: now or at the next show.
      drain(2);
    },
    onShow() {
      clearTimeout(timer);
      timer = undefined;
      if (store.size) wakeIn(flushIntervalMs);
    },
    onNetwork(isOnline) {
      const wasOffline = offlineUntil > 0;
      offlineUntil = isOnline ? 0 : Date.now() + OFFLINE_PROBE_MS;
      if (!isOnline) note('offline');
      else if (wasOffline) {
        // The waits came from having no network; a server's wish stands.
        failureCount = backoffUntil = 0;
        note('online');
        if (store.size) wakeIn(Math.random() * ONLINE_JITTER_MS);
      }
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const abort of aborts) abort();
    },
  };
}
