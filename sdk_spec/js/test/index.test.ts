/** The public API, consent, copies and manners, over the built files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOSTS, Phone, PLATFORM_KEYS, type Json } from './stub_host';

const FIRST_VISIT = ['app_launch', 'app_show', 'page_view'];
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

test('track: name, properties, super properties, timer', () => {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false });
  run.sdk.registerSuperProperties({ plan: 'gold', city: '北京' });
  run.sdk.timeEvent('checkout');
  phone.clock.advance(2_500);
  run.sdk.track('checkout', { sku: 'A-1', price: 19.9, vip: true, tags: ['a', 'b'], plan: 'own' });
  run.sdk.registerSuperProperties({ plan: undefined });
  run.sdk.track('checkout');
  phone.settle();

  const [first, second] = phone.collector.events;
  assert.equal(first!['duration_ms'], 2_500);
  assert.deepEqual(first!['properties'], {
    plan: 'own',
    city: '北京',
    sku: 'A-1',
    price: 19.9,
    vip: true,
    tags: ['a', 'b'],
  });
  assert.equal(second!['duration_ms'], undefined);
  assert.deepEqual(second!['properties'], { city: '北京' });
});

test('what is stored has fixed names, which a later version can read', () => {
  const phone = new Phone();
  phone.collector.fail('refused');
  const run = phone.start({}, { query: { _st: 'abcdef123456ab.2', utm_source: 'gzh' } });
  run.sdk.identify({ userId: 'u1' });
  run.hide();

  const read = (name: string): Json => JSON.parse(phone.storage.get(`scenetrail_wxapp0001_${name}`) as string);
  const { person, session } = read('session');
  assert.deepEqual(Object.keys(person.identity), ['anonymousId', 'userId']);
  assert.deepEqual(Object.keys(person), ['identity', 'superProperties']);
  assert.deepEqual(Object.keys(session), ['id', 'activeAt', 'seq', 'origin']);
  assert.deepEqual(session.origin, { shareId: 'abcdef123456ab', depth: 2, utm: { source: 'gzh' } });
  const queue = read('queue');
  assert.deepEqual(Object.keys(queue), ['v', 'contexts', 'dropped', 'events']);
  assert.equal(queue['contexts'][1].user_id, 'u1');
  assert.equal(queue['events'][0][1].event, 'app_launch');
});

test('names that objects have of their own are names like others', () => {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false });
  for (const name of ['constructor', '__proto__', 'toString']) run.sdk.track(name, { constructor: 1, [name]: 'x' });
  phone.settle();

  assert.deepEqual(phone.collector.names(), ['constructor', '__proto__', 'toString']);
  for (const event of phone.collector.events) assert.equal(event['duration_ms'], undefined);
});

test('an event is fixed when it is made: id, time, ids of the person', () => {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false });
  run.sdk.track('before');
  const madeAt = phone.clock.now;
  phone.clock.advance(1_000);
  run.sdk.identify({ userId: 'u1', openid: 'o1', unionid: 'n1' });
  run.sdk.identify({ userId: 'u1' });
  run.sdk.track('after');
  run.sdk.reset();
  run.sdk.track('other');
  phone.settle();

  const { collector } = phone;
  assert.deepEqual(collector.names(), ['before', 'identify', 'after', 'other']);
  const [before, identify, after, other] = collector.events;
  assert.equal(before!['occurred_at'], madeAt);
  assert.equal(before!['user_id'], undefined);
  assert.deepEqual([identify!['user_id'], identify!['openid'], identify!['unionid']], ['u1', 'o1', 'n1']);
  assert.equal(after!['anonymous_id'], before!['anonymous_id']);
  assert.notEqual(other!['anonymous_id'], before!['anonymous_id']);
  assert.equal(other!['user_id'], undefined);
  assert.notEqual(other!['session_id'], after!['session_id']);
  for (const event of collector.events) assert.match(event['event_id'], /^[0-9a-z]{24}$/);
});

test('profile changes carry their properties alone', () => {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false });
  run.sdk.registerSuperProperties({ plan: 'gold' });
  run.sdk.setUser({ level: 3 });
  run.sdk.setUserOnce({ first_channel: 'qr' });
  run.sdk.incrementUser({ orders: 1 });
  run.sdk.unsetUser('nickname', 'city');
  phone.settle();

  assert.deepEqual(
    phone.collector.events.map((event) => [event['event'], event['properties']]),
    [
      ['user_set', { level: 3 }],
      ['user_set_once', { first_channel: 'qr' }],
      ['user_increment', { orders: 1 }],
      ['user_unset', { nickname: null, city: null }],
    ],
  );
});

test('ids and super properties survive a kill', () => {
  const phone = new Phone();
  const run = phone.start();
  run.sdk.identify({ openid: 'o1' });
  run.sdk.registerSuperProperties({ plan: 'gold' });
  run.hide();
  run.kill();
  phone.start().sdk.track('later');
  phone.settle();

  assert.equal(phone.collector.find('later')['openid'], 'o1');
  assert.equal(phone.collector.find('later')['properties']['plan'], 'gold');
});

test('a card by hand and a group id', () => {
  const phone = new Phone();
  const run = phone.start({}, { path: 'pages/goods/detail', query: { id: '42' } });
  const card = run.sdk.createShareCard()!;
  const poster = run.sdk.createShareCard('pages/poster?x=1', 'timeline')!;
  run.sdk.setGroupId('tGroup');
  run.sdk.track('in_group');
  phone.settle();

  assert.equal(card.path, `pages/goods/detail?id=42&${card.query}`);
  assert.equal(card.query, `_st=${card.shareId}.1`);
  assert.equal(poster.path, `pages/poster?x=1&${poster.query}`);
  assert.equal(phone.collector.find('share')['properties']['share_channel'], 'timeline');
  assert.equal(phone.collector.find('share')['properties']['share_path'], 'pages/poster?x=1');
  assert.equal(phone.collector.find('in_group')['group_id'], 'tGroup');
  assert.equal(run.sdk.getShareInfo(), undefined);
});

test('calls before init are made up for, with the time they were made', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.sdk.track('early', { n: 1 });
  const at = phone.clock.now;
  phone.clock.advance(5_000);
  run.init({ autoTrack: false });
  phone.settle();

  assert.deepEqual(phone.collector.names(), ['early']);
  assert.equal(phone.collector.find('early')['occurred_at'], at);
});

test('a second init is ignored', () => {
  const phone = new Phone();
  const run = phone.start();
  run.init({ collectorUrl: 'https://other.example', appId: 'other' });
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
  assert.deepEqual(
    phone.collector.requests.map((request) => request.url),
    ['https://collector.example/v1/events'],
  );
});

for (const order of ['before', 'after']) {
  test(`a second copy, loaded ${order} the pages, shares the client: each event once`, () => {
    const phone = new Phone();
    const run = phone.boot();
    if (order === 'before') run.load();
    run.init();
    run.registerApp();
    run.registerPages();
    const copy = run.load('index');
    copy.init({ collectorUrl: 'https://collector.example', writeKey: 'wk_test', appId: 'wxapp0001' });
    run.launch();
    run.open('pages/home/index');
    run.open('pages/goods/detail');
    copy.track('from_copy');
    phone.settle();

    assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'page_leave', 'page_view', 'from_copy']);
    assert.deepEqual(
      phone.collector.events.map((event) => event['seq']),
      [1, 2, 3, 4, 5, 6],
    );
  });
}

for (const platform of PLATFORM_KEYS) {
  test(`the build for all platforms finds ${platform}`, () => {
    const phone = new Phone({ platform, file: 'index' });
    phone.start();
    phone.settle();

    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
    assert.equal(phone.collector.find('app_launch')['platform'], platform);
    assert.equal(phone.collector.find('app_launch')['scene'], HOSTS[platform].scene);
  });
}

test('Lark (飞书) runs the API of Douyin and is named by an option', () => {
  const phone = new Phone({ platform: 'douyin' });
  phone.start({ platform: 'lark' });
  phone.settle();

  assert.equal(phone.collector.find('app_launch')['platform'], 'lark');
});

test('the app id is read from the platform if it is not given', () => {
  const phone = new Phone({ platform: 'douyin' });
  phone.start({ appId: undefined } as object);
  phone.settle();

  assert.equal(phone.collector.find('app_launch')['app_id'], 'tt0001');
});

test('outside a mini-program every function does nothing', () => {
  const phone = new Phone({ platform: 'alipay', file: 'wechat' });
  const run = phone.start();
  run.sdk.track('x');
  run.sdk.flush();

  assert.equal(run.sdk.getStats(), undefined);
  phone.settle();
  assert.equal(phone.collector.requests.length, 0);
});

test('missing options: nothing starts, nothing throws, debug names the option', () => {
  for (const [options, missing] of [
    [{}, 'collectorUrl'],
    [{ collectorUrl: 'https://c.example' }, 'writeKey'],
  ] as const) {
    const lines: string[] = [];
    const phone = new Phone();
    const run = phone.boot();
    run.sdk.init({ ...options, debug: (line: string) => lines.push(line) } as never);
    run.sdk.track('x');
    phone.settle();
    assert.deepEqual(lines, [`not started: ${missing} is missing`]);
  }
});

const NONSENSE: unknown[] = [
  undefined,
  null,
  0,
  '',
  'text',
  [],
  {},
  () => undefined,
  Symbol('x'),
  {
    get x() {
      throw new Error('getter');
    },
  },
];

test('no function throws, whatever it is given, before init and after', () => {
  const phone = new Phone();
  const run = phone.boot();
  for (const moment of ['before', 'after']) {
    for (const [name, method] of Object.entries(run.sdk) as [string, (...args: unknown[]) => unknown][]) {
      if (name === 'init' || name === 'optOut') continue;
      for (const first of NONSENSE)
        for (const second of NONSENSE) assert.doesNotThrow(() => method(first, second), `${moment} ${name}`);
    }
    if (moment === 'before') for (const options of NONSENSE) assert.doesNotThrow(() => run.sdk.init(options as never));
    run.init();
  }
  phone.settle();
});

test('a host whose every API throws loses only the tracking', () => {
  const phone = new Phone();
  const run = phone.boot();
  for (const name of Object.keys(run.host)) {
    run.host[name] = () => {
      throw new Error('broken host');
    };
  }
  run.init();
  run.registerApp();
  run.registerPages();
  run.launch();
  run.open('pages/home/index');
  run.sdk.track('x');
  run.hide();
  phone.settle(60_000);

  assert.deepEqual(run.calls, [
    'app.onLaunch',
    'app.onShow',
    'pages/home/index.onLoad',
    'pages/home/index.onShow',
    'pages/home/index.onHide',
    'app.onHide',
  ]);
});

test('a debug function that throws hurts nobody', () => {
  const phone = new Phone();
  phone.start({
    debug: () => {
      throw new Error('theirs');
    },
  });
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});

test('silent by default; debug explains on the console', () => {
  const quiet = new Phone().start();
  quiet.phone.collector.fail({ status: 503 });
  quiet.hide();
  assert.deepEqual(quiet.consoleLines, []);

  const loud = new Phone().start({ debug: true });
  loud.phone.settle();
  const text = loud.consoleLines.map((line) => line.slice(0, 2).join(' ')).join('\n');
  for (const part of ['[scenetrail] started, consent granted', 'app_launch', 'sending 3', 'delivered 3, refused 0'])
    assert.ok(text.includes(part), part);
});

test('handlers keep arguments, return value and exceptions', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  const seen: unknown[] = [];
  const options: Json = {
    onLoad(query: Json) {
      seen.push(query);
      return 'loaded';
    },
    onShow() {
      throw new Error('theirs');
    },
  };
  run.context['Page'](options);
  const page = { route: 'pages/x' };
  const query = { id: '1' };

  assert.equal(options['onLoad'].call(page, query), 'loaded');
  assert.equal(seen[0], query);
  assert.throws(() => options['onShow'].call(page), /theirs/);
});

test("a behavior's own onShow is not hidden by ours; a page whose behaviors have none is tracked", () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  const calls: string[] = [];
  const shown = { methods: { onShow: () => calls.push('behavior') } };
  run.declarePage('pages/home/index', () => run.context['Component']({ behaviors: [{ methods: {} }] }));
  run.declarePage('pages/goods/detail', () => run.context['Component']({ behaviors: [shown] }));
  run.declarePage('pages/goods/list', () =>
    run.context['Component']({ behaviors: [shown], methods: { onShow: () => calls.push('own') } }),
  );
  run.launch();
  for (const page of ['pages/home/index', 'pages/goods/detail', 'pages/goods/list']) run.open(page);
  phone.settle();

  assert.deepEqual(calls, ['behavior', 'own']);
  assert.deepEqual(
    phone.collector.events.filter(({ event }) => event === 'page_view').map(({ page }) => page),
    ['pages/home/index', 'pages/goods/list'],
  );
});

for (const platform of PLATFORM_KEYS) {
  test(`${platform}: a share handler that returns nothing shares this page, with the slash its host wants`, () => {
    const phone = new Phone({ platform });
    const run = phone.boot();
    run.init();
    run.registerApp();
    run.registerPages({ 'pages/home/index': { onShareAppMessage: () => undefined } });
    run.launch();
    run.open('pages/home/index', { id: '1' });
    const { path } = run.callPage('onShareAppMessage');
    phone.settle();

    const id = phone.collector.find('share')['properties']['share_id'];
    assert.equal(path, `${platform === 'jd' ? '' : '/'}pages/home/index?id=1&_st=${id}.1`);
  });
}

test('a frozen page configuration is registered as it is', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();

  assert.doesNotThrow(() => run.context['Page'](Object.freeze({ data: {} })));
});

test('consent: a decision outlives the run and wins over the option', () => {
  const phone = new Phone();
  const run = phone.start({ consent: 'pending' });
  run.sdk.optIn();
  run.hide();
  run.kill();
  phone.collector.stored = [];
  phone.start({ consent: 'pending' });
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});

test('consent: an agreement outlives the run also where the app begins with `denied`', () => {
  const phone = new Phone();
  phone.start({ consent: 'denied' }).sdk.optIn();
  phone.settle();
  phone.collector.stored = [];
  phone.start({ consent: 'denied' });
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});

test('consent: a refusal is stored where the queue had filled the storage', () => {
  const phone = new Phone();
  phone.collector.fail('refused');
  const run = phone.start();
  for (let i = 0; i < 50; i++) run.sdk.track('buy', { i });
  phone.clock.advance(1_000);
  const write = run.host['setStorageSync'] as (key: string, value: string) => void;
  run.host['setStorageSync'] = (key: string, value: string) => {
    if (phone.storage.has('scenetrail_wxapp0001_queue')) throw new Error('full');
    write(key, value);
  };
  run.sdk.optOut();

  assert.deepEqual([...phone.storage], [['scenetrail_wxapp0001_consent', 'denied']]);
});

test('an id with a character that nobody sees is no id: the collector would refuse the whole batch for it', () => {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false });
  for (const userId of ['u\u200b1', 'u\u202e1', 'u\ufeff1', 'u\u20281', 'u\ud83d1']) run.sdk.identify({ userId });
  run.sdk.track('点击🔥');
  phone.settle();

  assert.deepEqual(phone.collector.names(), ['点击🔥']);
});

test('opting in after opting out starts with new ids', () => {
  const phone = new Phone();
  const run = phone.start();
  phone.settle();
  const before = phone.collector.find('app_launch')['anonymous_id'];
  run.sdk.optOut();
  run.sdk.track('unseen');
  run.sdk.optIn();
  run.sdk.track('seen');
  phone.settle();

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'seen']);
  assert.notEqual(phone.collector.find('seen')['anonymous_id'], before);
});

test('opting out aborts the request that is under way', () => {
  const phone = new Phone();
  phone.collector.fail('silent');
  const run = phone.start();
  phone.clock.advance(5_100);
  run.sdk.optOut();

  assert.equal(phone.collector.requests[0]!.isAborted, true);
  phone.settle(60_000);
  assert.equal(phone.collector.requests.length, 1);
});

test("after a refusal shared paths are the app's own", () => {
  const phone = new Phone();
  const run = phone.boot();
  const value = { path: 'pages/a' };
  run.init({ consent: 'denied' });
  run.registerApp();
  run.registerPages({ 'pages/home/index': { onShareAppMessage: () => value } });
  run.launch();
  run.open('pages/home/index');

  assert.equal(run.callPage('onShareAppMessage'), value);
});

test('an unknown consent is like pending: nothing leaves the memory', () => {
  const phone = new Phone();
  phone.start({ consent: 'yes' as never });
  phone.settle(60_000);

  assert.equal(phone.collector.requests.length, 0);
  assert.equal(phone.storage.size, 0);
});

test('an upgrade that begins to ask for consent keeps the id of earlier runs', () => {
  const phone = new Phone();
  const run = phone.start();
  run.hide();
  run.kill();
  const { anonymous_id: before } = phone.collector.find('app_launch');
  phone.start({ consent: 'pending' }).sdk.optIn();
  phone.settle();

  assert.equal(phone.collector.find('app_launch')['anonymous_id'], before);
});

test('storage blocks the app: nothing is written while it starts and tracks, a hide writes the session and the queue once', () => {
  const phone = new Phone();
  const run = phone.boot();
  let writes: string[] = [];
  const write = run.host['setStorageSync'] as (key: string, value: string) => void;
  run.host['setStorageSync'] = (key: string, value: string) => {
    writes.push(key.replace(/.*_/, ''));
    write(key, value);
  };
  run.init();
  run.registerApp();
  run.registerPages();
  run.launch();
  run.open('pages/home/index');
  for (let i = 0; i < 1_000; i++) run.sdk.track('buy', { i, sku: 'A-1', price: 19.9 });
  assert.deepEqual(writes, []);
  phone.collector.fail('silent');
  run.hide();

  assert.deepEqual(writes, ['session', 'queue']);
  assert.ok(plain(run.sdk.getStats()!.dropped)['queue_full']! >= 500);
  writes = [];
  run.hide();
  assert.deepEqual(writes, [], 'nothing new, nothing written');
});
