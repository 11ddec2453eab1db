/**
 * A second SDK, written from WRITE_YOUR_OWN.md, sections 1 to 3, and nothing else, with a driver as section 9 says: the page
 * and the runner suffice. It has an API and no pages, so it plays the vectors that need `api` alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
// @ts-expect-error plain JavaScript, so that other SDKs can use it
import { loadVectors, play } from '../../lifecycle_vectors/runner.mjs';
import type { Json } from './stub_host';

const vectors = (loadVectors(new URL('../../../lifecycle_vectors/', import.meta.url)) as { name: string; vector: Json }[]).filter(
  ({ vector }) => vector['needs'].every((need: string) => need === 'api') && !vector['platform'],
);

type Answer = { status: number; retryAfterS?: number; body: string } | undefined;
const UNITS_MS = 10;
const LATENCY_MS = 40;

/** Sections 1, 2 and 3. Time runs in steps of 10 ms and only forward; what the device's clock says is another thing. */
class OwnSdk {
  queue: Json[] = [];
  stats: { delivered: number; rejected: number; dropped: Json } = { delivered: 0, rejected: 0, dropped: {} };
  #ids: Json = { anonymous_id: 'own-1' };
  #untold: Json = {};
  #flushAt = Infinity;
  #heldUntil = 0;
  #backoffUntil = 0;
  #failures = 0;
  #limit = 50;
  #isSending = false;

  constructor(
    private readonly options: Json,
    private readonly now: () => number,
    private readonly clock: () => number,
    private readonly post: (body: Json, done: (answer: Answer) => void) => void,
  ) {}

  track(event: string, properties?: Json): void {
    const fixed = { event_id: crypto.randomUUID(), event, occurred_at: this.clock(), ...this.#ids, properties };
    this.queue.push(fixed);
    while (this.queue.length > (this.options['max_queue_events'] ?? 500)) {
      this.queue.shift();
      this.#drop('queue_full', 1);
    }
    const isFull = this.queue.length >= (this.options['batch_size'] ?? 20);
    this.#flushAt = Math.min(this.#flushAt, isFull ? this.now() : this.now() + 5_000);
  }

  identify(userId: string): void {
    this.#ids = { ...this.#ids, user_id: userId };
    this.track('identify');
  }

  flush(): void {
    this.#backoffUntil = 0;
    this.#flushAt = this.now();
  }

  #drop(reason: string, count: number): void {
    for (const counts of [this.stats.dropped, this.#untold]) counts[reason] = (counts[reason] || 0) + count;
  }

  /** Called every 10 ms. */
  tick(): void {
    if (this.#isSending || !this.queue.length) return;
    if (this.now() < Math.max(this.#flushAt, this.#heldUntil, this.#backoffUntil)) return;
    const batch = this.queue.splice(0, this.#limit);
    this.#isSending = true;
    this.post({ app_id: 'own', platform: 'app', sent_at: this.clock(), events: batch }, (answer) => {
      this.#isSending = false;
      this.#settle(batch, answer);
      this.#flushAt = this.queue.length ? this.now() : Infinity;
    });
  }

  #settle(batch: Json[], answer: Answer): void {
    const status = answer?.status ?? 0;
    let body: Json = {};
    try {
      body = JSON.parse(answer!.body) as Json;
    } catch {
      // Not the collector's.
    }
    if (status === 422 || (status === 200 && typeof body['accepted'] === 'number')) {
      const rejected = status === 422 ? batch.length : (body['rejected'] as number);
      this.stats.rejected += rejected;
      this.stats.delivered += batch.length - rejected;
      this.#failures = this.#backoffUntil = this.#heldUntil = 0;
      const untold = this.#untold;
      const count = Object.values(untold).reduce((sum: number, one: number) => sum + one, 0);
      this.#untold = {};
      if (status === 200 && count) this.track('sdk_events_dropped', { ...untold, count });
    } else if (status === 413 && batch.length > 1) {
      this.#limit = Math.ceil(batch.length / 2);
      this.queue.unshift(...batch);
    } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      this.#drop('refused', batch.length);
      this.#limit = 50;
    } else {
      this.queue.unshift(...batch);
      const ceilingMs = Math.min(1_000 * 2 ** this.#failures++, 300_000);
      if (answer?.retryAfterS !== undefined) this.#heldUntil = this.now() + answer.retryAfterS * 1_000;
      else this.#backoffUntil = this.now() + ceilingMs * (0.5 + Math.random() / 2);
    }
  }
}

/** Section 9: one method for each step, and what the runner asks for. */
class Driver {
  readonly requests: Json[] = [];
  readonly refusedIds: string[] = [];
  readonly #taken: boolean[] = [];
  readonly #due: [number, () => void][] = [];
  #now = 0;
  #setBy = 0;
  #says: Json = { status: 200 };
  #sdk: OwnSdk;

  constructor(options: Json) {
    this.#sdk = new OwnSdk(
      options,
      () => this.#now,
      () => 1_795_300_912_353 + this.#now + this.#setBy,
      (body, done) => {
        this.requests.push(JSON.parse(JSON.stringify(body)) as Json);
        const answer = this.#answer(body['events'] as Json[]);
        this.#due.push([this.#now + LATENCY_MS, () => done(answer)]);
      },
    );
  }

  #answer(events: Json[]): Answer {
    const { status, body, taken, retry_after_s: retryAfterS, refuse = [], too_large: tooLarge = [] } = this.#says;
    const isTooLarge = events.some(({ event }) => tooLarge.includes(event));
    const isTaken = taken || (status === 200 && body === undefined && !isTooLarge);
    this.#taken.push(isTaken);
    if (status === 'none') return undefined;
    if (isTooLarge) return { status: 413, body: '{}' };
    const refused = isTaken ? events.filter(({ event }) => refuse.includes(event)) : [];
    this.refusedIds.push(...refused.map((event) => event['event_id'] as string));
    const fates = { accepted: events.length - refused.length, duplicates: 0, rejected: refused.length, errors: [] };
    return { status, retryAfterS, body: body ?? (isTaken ? JSON.stringify(fates) : '{}') };
  }

  isTaken = (index: number): boolean => this.#taken[index]!;
  stats = (): Json => ({ ...this.#sdk.stats, queued: this.#sdk.queue.length });
  start = (): void => undefined;
  track = ({ event, properties }: Json): void => this.#sdk.track(event, properties);
  identify = ({ user_id: userId }: Json): void => this.#sdk.identify(userId);
  set_user = ({ properties }: Json): void => this.#sdk.track('user_set', properties);
  flush = (): void => this.#sdk.flush();
  set_clock = ({ ms }: Json): void => void (this.#setBy += ms);
  answer = (step: Json): void => void (this.#says = step);
  wait({ ms }: Json): void {
    for (const end = this.#now + ms; this.#now < end; this.#now += UNITS_MS) {
      while (this.#due.length && this.#due[0]![0] <= this.#now) this.#due.shift()![1]();
      this.#sdk.tick();
    }
  }
}

test('there are vectors for an SDK that has nothing but an API', () => assert.ok(vectors.length >= 23));

for (const { name, vector } of vectors)
  test(`${name} by the page alone`, async () => assert.deepEqual(await play(vector, new Driver(vector['options'] || {})), []));
