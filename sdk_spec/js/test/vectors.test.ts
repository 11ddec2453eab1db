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
  readonly #phone: Phone;
  readonly #options: Json;
  readonly #replies: boolean[] = [];
  #run!: Run;
  #share: Json = {};

  constructor(platform: PlatformKey, options: Json) {
    this.#phone = new Phone({ platform });
    this.#options = options;
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
  answer({ status, retry_after_s: retryAfter, body }: Json): void {
    this.#phone.collector.reply = (request) => {
      const isTaken = status === 200 && body === undefined;
      this.#replies.push(isTaken);
      if (status === 'none') return 'refused';
      return {
        status,
        headers: retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) },
        body:
          body ??
          (isTaken
            ? { request_id: 'r', accepted: request['events'].length, duplicates: 0, rejected: 0, errors: [] }
            : undefined),
      };
    };
  }
  wait = ({ ms }: Json): void => this.#phone.clock.advance(ms);
}

const vectors = loadVectors(FOLDER) as { name: string; vector: Json }[];

test('there are vectors', () => assert.ok(vectors.length >= 20));

for (const { name, vector } of vectors) {
  for (const platform of PLATFORM_KEYS) {
    if (vector['platform'] && vector['platform'] !== platform) continue;
    test(`${name} on ${platform}`, async () =>
      assert.deepEqual(await play(vector, new PhoneDriver(platform, vector['options'] || {})), []));
  }
}
