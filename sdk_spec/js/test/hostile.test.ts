/** Hosts, apps, networks and clocks at their worst, over the built files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Phone, type Json, type Run } from './stub_host';

const FIRST_VISIT = ['app_launch', 'app_show', 'page_view'];
/** A copy of this realm: the library's objects are of the stub host's. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function quiet(options = {}): { phone: Phone; run: Run } {
  const phone = new Phone();
  return { phone, run: phone.start({ autoTrack: false, ...options }) };
}

test('one property that cannot be read costs itself, not the event', () => {
  const { phone, run } = quiet();
  const cycle: Json = {};
  cycle['self'] = cycle;
  run.sdk.registerSuperProperties({ city: '北京', plan: 'gold' });
  run.sdk.track('bought', {
    before: 1,
    get broken(): never {
      throw new Error('getter');
    },
    cycle,
    big: 2n ** 70n,
    date: new Date(NaN),
    list: [1n, undefined, null, NaN],
    deep: { toJSON: () => undefined },
    plan: undefined,
    after: true,
  });
  phone.settle();

  assert.deepEqual(phone.collector.find('bought')['properties'], {
    city: '北京',
    before: 1,
    big: '1180591620717411303424',
    list: ['1', '', '', 'NaN'],
    after: true,
  });
});

test('properties that are no readable object are none', () => {
  const { phone, run } = quiet();
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  const closed = new Proxy(
    {},
    {
      ownKeys() {
        throw new Error('closed');
      },
    },
  );
  for (const given of [revoked, closed, 'text', 7, true, () => 1, null]) run.sdk.track('odd', given as never);
  phone.settle();

  assert.equal(phone.collector.names().length, 7);
  for (const event of phone.collector.events) assert.deepEqual(event['properties'] || {}, {});
});

test('of a vast object only the first 256 properties are read', () => {
  const { phone, run } = quiet();
  let reads = 0;
  const vast = Object.defineProperties(
    {},
    Object.fromEntries(
      Array.from({ length: 20_000 }, (_, i) => [`p${i}`, { enumerable: true, get: () => (reads++, i) }]),
    ),
  );
  run.sdk.track('vast', vast);
  phone.settle();

  assert.equal(reads, 256);
  assert.equal(Object.keys(phone.collector.find('vast')['properties']).length, 256);
});

test('a name of 10,000 characters is no event and hurts no other; debug says so', () => {
  const lines: unknown[][] = [];
  const { phone, run } = quiet({ debug: (...line: unknown[]) => lines.push(line) });
  run.sdk.track('n'.repeat(10_000));
  run.sdk.track('ok');
  phone.settle();

  assert.deepEqual(phone.collector.names(), ['ok']);
  assert.ok(lines.some(([message]) => message === 'wrong name'));
});

test('numbers that would merge users are no ids', () => {
  const { phone, run } = quiet();
  for (const userId of [NaN, Infinity, 1.5, 12345678901234567890]) run.sdk.identify({ userId: userId as never });
  run.sdk.track('a');
  run.sdk.identify({ userId: 10086 as never });
  phone.settle();

  assert.deepEqual(
    phone.collector.events.map((event) => [event['event'], event['user_id']]),
    [
      ['a', undefined],
      ['identify', '10086'],
    ],
  );
});

test('optOut while a request is under way: its answer changes nothing, optIn begins anew', () => {
  const { phone, run } = quiet();
  phone.collector.reply = (body) => ({ status: 200, body: { accepted: body['events'].length }, delayMs: 3_000 });
  run.sdk.track('secret');
  phone.clock.advance(5_100);
  assert.equal(phone.collector.requests.length, 1);
  const [before] = phone.collector.events;
  run.sdk.track('secret too');
  run.sdk.optOut();
  assert.equal(phone.collector.requests[0]!.isAborted, true);
  phone.settle(60_000);
  assert.deepEqual([...phone.storage], [['scenetrail_wxapp0001_consent', 'denied']]);
  assert.equal(phone.collector.requests.length, 1);
  phone.collector.recover();
  run.sdk.optIn();
  run.sdk.track('open');
  phone.settle(12_000);

  assert.deepEqual(phone.collector.names(), ['secret', 'open']);
  assert.notEqual(phone.collector.find('open')['anonymous_id'], before!['anonymous_id']);
  assert.notEqual(phone.collector.find('open')['session_id'], before!['session_id']);
});

test('reset while a request is under way: what was made before keeps its person, and counts once', () => {
  const { phone, run } = quiet();
  run.sdk.identify({ userId: 'u1' });
  phone.settle();
  phone.collector.reply = (body, index) => ({
    status: 200,
    body: { accepted: body['events'].length },
    delayMs: index === 1 ? 3_000 : 40,
  });
  run.sdk.track('mine');
  run.sdk.flush();
  phone.clock.advance(10);
  run.sdk.track('mine too');
  run.sdk.reset();
  run.sdk.track('theirs');
  phone.settle(20_000);

  const { collector } = phone;
  assert.deepEqual(
    collector.events.map((event) => [event['event'], event['user_id']]),
    [
      ['identify', 'u1'],
      ['mine', 'u1'],
      ['mine too', 'u1'],
      ['theirs', undefined],
    ],
  );
  assert.equal(collector.stored.length, 4, 'nothing twice');
  assert.notEqual(collector.find('theirs')['anonymous_id'], collector.find('mine')['anonymous_id']);
});

test('a share handler whose promise never resolves, and one that rejects', async () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  run.registerPages({
    'pages/home/index': { onShareAppMessage: () => new Promise(() => undefined) },
    'pages/goods/detail': { onShareAppMessage: () => Promise.reject(new Error('theirs')) },
  });
  run.launch();
  run.open('pages/home/index', { id: '1' });
  const pending = run.callPage('onShareAppMessage', { from: 'menu' });
  assert.equal(typeof pending.then, 'function');
  run.open('pages/goods/detail');
  await assert.rejects(run.callPage('onShareAppMessage'), /theirs/);
  phone.settle();

  const shares = phone.collector.events.filter((event) => event['event'] === 'share');
  assert.deepEqual(
    shares.map((event) => event['properties']['share_path']),
    ['pages/home/index?id=1', 'pages/goods/detail'],
  );
});

test('hidden before the first request ends, which the host then interrupts: sent after the next show, counted once', () => {
  const phone = new Phone();
  phone.collector.reply = (body, index) => ({
    status: 200,
    body: { accepted: body['events'].length },
    delayMs: index === 0 ? 3_600_000 : 40,
  });
  const run = phone.start({ requestTimeoutMs: 4_000 });
  phone.clock.advance(5_001);
  run.hide();
  phone.clock.advance(600_000);
  run.show();
  phone.settle(30_000);

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'page_leave', 'app_hide', 'app_show', 'page_view']);
  assert.equal(run.sdk.getStats()!.queued, 0);
});

for (const [name, reply] of [
  ['own backoff', { status: 503 }],
  ['Retry-After', { status: 503, headers: { 'Retry-After': '20' } }],
] as const) {
  test(`the clock set back by half an hour costs no half an hour: ${name}`, () => {
    const { phone, run } = quiet();
    const success = phone.collector.reply;
    phone.collector.reply = (body, index) => (index === 0 ? reply : success(body, index));
    run.sdk.track('buy');
    phone.clock.advance(5_100);
    assert.equal(phone.collector.requests.length, 1);
    phone.clock.jump(-1_800_000);
    phone.settle(60_000);

    assert.deepEqual(phone.collector.names(), ['buy']);
  });
}

test('answers that are JSON, but not an object of the collector, keep the batch', () => {
  for (const body of ['null', '[]', '7', '"ok"', '{"accepted":"1"}', '']) {
    const { phone, run } = quiet();
    const success = phone.collector.reply;
    phone.collector.reply = (sent, index) => (index === 0 ? { status: 200, body } : success(sent, index));
    run.sdk.track('buy');
    phone.settle(20_000);
    assert.equal(phone.collector.requests.length, 2, body);
    assert.deepEqual(plain(run.sdk.getStats()), { queued: 0, delivered: 1, rejected: 0, dropped: {} });
  }
});

const HOST_APIS = Object.keys(new Phone().boot().host).filter((name) => name !== '__scenetrail__');
for (const api of HOST_APIS) {
  test(`without wx.${api} the rest works`, () => {
    const phone = new Phone();
    const run = phone.boot();
    delete run.host[api];
    run.init();
    run.registerApp();
    run.registerPages();
    run.launch();
    run.open('pages/home/index');
    run.sdk.track('buy');
    phone.settle();
    run.hide();

    if (api !== 'request') return assert.deepEqual(phone.collector.names().slice(0, 4), [...FIRST_VISIT, 'buy']);
    assert.match(String(phone.storage.get('scenetrail_wxapp0001_queue')), /"event":"buy"/);
  });
}

test('a host object that throws for names it does not know, and takes none', () => {
  const phone = new Phone();
  const run = phone.boot();
  const known = { ...run.host };
  delete known['__scenetrail__'];
  const throwing = (): never => {
    throw new Error('no such name');
  };
  run.context['wx'] = new Proxy(known, {
    get: (target, name) => (name in target ? target[name as string] : throwing()),
    set: throwing,
    has: () => true,
  });
  const sdk = run.load();
  sdk.init({ collectorUrl: 'https://collector.example', writeKey: 'wk_test', appId: 'wxapp0001' });
  sdk.track('buy');
  phone.settle();

  assert.deepEqual(phone.collector.names(), ['app_launch', 'app_show', 'buy']);
});

test('a captive portal is named by debug, and a key with a line end is cleaned', () => {
  const lines: string[] = [];
  const { phone, run } = quiet({ debug: (line: string) => lines.push(line), writeKey: 'wk_test\n' });
  phone.collector.fail({ status: 200, body: '<html>Log in</html>' });
  run.sdk.track('buy');
  phone.clock.advance(5_100);

  assert.ok(lines.some((line) => /^answer of another server, again in \d+ ms$/.test(line)), lines.join('\n'));
  assert.equal(phone.collector.requests[0]!.headers['X-Write-Key'], 'wk_test');
});

test('times that no timer takes are replaced by the default', () => {
  const { phone, run } = quiet({ requestTimeoutMs: Infinity, flushIntervalMs: 1e12, sessionTimeoutMs: NaN, batchSize: -1 });
  run.sdk.track('buy');
  phone.clock.advance(4_900);
  assert.equal(phone.collector.requests.length, 0);
  phone.clock.advance(1_000);

  assert.deepEqual(phone.collector.names(), ['buy']);
});

test('a copy beside the client of another version: it is handed every call, and hooks nothing of its own', () => {
  const phone = new Phone();
  const run = phone.boot();
  const calls: unknown[][] = [];
  run.host['__scenetrail__'] = { call: (...call: unknown[]) => void calls.push(call) };
  const page = run.context['Page'];
  const copy = run.load();
  copy.init({ collectorUrl: 'https://collector.example', writeKey: 'wk_test' });
  copy.track('buy', { i: 1 });

  assert.equal(run.context['Page'], page);
  assert.deepEqual(plain(calls.map(([name]) => name)), ['init', 'track']);
});

test('what is not a hook stays the very function that the app gave: setData, methods, observers', () => {
  const { run } = quiet();
  const buy = (): void => undefined;
  const observer = (): void => undefined;
  const options: Json = { buy, observers: { 'a, b': observer }, setData: buy, data: { a: 1 } };
  run.context['Page'](options);

  assert.equal(options['buy'], buy);
  assert.equal(options['setData'], buy);
  assert.equal(options['observers']['a, b'], observer);
});

test('consent asked for by a later version: what came before an identify goes to the visitor that was stored', () => {
  const phone = new Phone();
  phone.start().hide();
  const { anonymous_id: stored } = phone.collector.find('app_launch');
  phone.collector.stored = [];
  const run = phone.start({ consent: 'pending' });
  run.sdk.identify({ userId: 'u1' });
  run.sdk.optIn();
  run.sdk.track('later');
  phone.settle(12_000);

  assert.deepEqual(
    phone.collector.events.map((event) => [event['event'], event['anonymous_id'] === stored, event['user_id']]),
    [
      ...FIRST_VISIT.map((name) => [name, true, undefined]),
      ['identify', true, 'u1'],
      ['later', true, 'u1'],
    ],
  );
});
