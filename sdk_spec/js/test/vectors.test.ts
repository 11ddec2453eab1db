/** The lifecycle vectors, on every platform. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
// @ts-expect-error plain JavaScript, so that other SDKs can use it
import { loadVectors, play } from '../../lifecycle_vectors/runner.mjs';
import { Phone, PLATFORM_KEYS, type Json, type PlatformKey, type Run } from './stub_host';

const FOLDER = new URL('../../../lifecycle_vectors/', import.meta.url);

/** Translates the steps of a vector to a phone with one mini-program. */
class PhoneDriver {
  readonly shared: unknown[] = [];
  readonly refusedIds: string[] = [];
  readonly #phone: Phone;
  readonly #options: Json;
  readonly #replies: boolean[] = [];
  #run!: Run;
  #share: Json = {};

  constructor(platform: PlatformKey, options: Json) {
    this.#phone = new Phone({ platform });
    this.#options = Object.fromEntries(
      Object.entries(options).map(([name, value]) => [name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), value]),
    );
    this.answer({ status: 200 });
  }

  get requests(): Json[] {
    return this.#phone.collector.requests.map((request) => request.body);
  }
  isTaken = (index: number): boolean => this.#replies[index]!;

  start(): void {
    this.#run = this.#phone.boot();
    this.#run.init({ ...this.#options, autoTrack: false });
  }
  launch(step: Json): void {
    const run = (this.#run = this.#phone.boot());
    run.init(this.#options);
    run.registerApp();
    run.launch(step);
  }
  open_page({ page, query }: Json): void {
    this.#run.registerPage(page, { onShareAppMessage: () => this.#share });
    this.#run.open(page, query);
  }
  close_page = (): void => this.#run.back();
  hide = (): void => this.#run.hide();
  show = (step: Json): void => this.#run.show(step);
  kill = (): void => this.#run.kill();
  share({ do: _do, ...share }: Json): void {
    this.#share = share;
    this.shared.push(this.#run.callPage('onShareAppMessage', { from: 'menu' }));
  }
  track = ({ event, properties }: Json): void => this.#run.sdk.track(event, properties);
  identify = ({ user_id: userId, openid, unionid }: Json): void => this.#run.sdk.identify({ userId, openid, unionid });
  set_user = ({ properties }: Json): void => this.#run.sdk.setUser(properties);
  opt_in = (): void => this.#run.sdk.optIn();
  opt_out = (): void => this.#run.sdk.optOut();
  flush = (): void => this.#run.sdk.flush();
  set_clock = ({ ms }: Json): void => this.#phone.clock.jump(ms);
  stats = (): Json => JSON.parse(JSON.stringify(this.#run.sdk.getStats()));
  answer({ status, retry_after_s: retryAfter, body, taken, refuse = [], too_large: tooLarge = [] }: Json): void {
    this.#phone.collector.reply = ({ events }) => {
      const isTooLarge = events.some(({ event }: Json) => tooLarge.includes(event));
      const isTaken = taken || (status === 200 && body === undefined && !isTooLarge);
      this.#replies.push(isTaken);
      if (status === 'none') return 'refused';
      if (isTooLarge) return { status: 413 };
      const refused = events.filter(({ event }: Json) => isTaken && refuse.includes(event));
      this.refusedIds.push(...refused.map((event: Json) => event['event_id']));
      const [accepted, rejected] = [events.length - refused.length, refused.length];
      return {
        status,
        headers: retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) },
        body: body ?? (isTaken ? { request_id: 'r', accepted, duplicates: 0, rejected, errors: [] } : undefined),
      };
    };
  }
  wait = ({ ms }: Json): void => this.#phone.clock.advance(ms);
}

const vectors = loadVectors(FOLDER) as { name: string; vector: Json }[];

test('there are vectors', () => assert.ok(vectors.length >= 38));

for (const { name, vector } of vectors) {
  // A mini-program is killed without a word, and the ids of its events are the library's.
  if (vector['needs'].includes('server')) continue;
  for (const platform of PLATFORM_KEYS) {
    if (vector['platform'] && vector['platform'] !== platform) continue;
    test(`${name} on ${platform}`, async () =>
      assert.deepEqual(await play(vector, new PhoneDriver(platform, vector['options'] || {})), []));
  }
}
