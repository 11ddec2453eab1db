/**
 * Every platform × every way of registering pages × every state of the world, over the built files.
 *
 * Each combination is played twice: with the platform's library it must hold, with another platform's, which does nothing
 * there, it must fail. So none of them asserts nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOSTS, Phone, PLATFORM_KEYS, type Json, type PageStyle } from './stub_host';

const STYLES: PageStyle[] = ['native', 'component', 'taro'];
const FIRST_VISIT = ['app_launch', 'app_show', 'page_view'];

const MATRIX: Record<string, (phone: Phone) => void> = {
  'cold start: launch, show and page, with scene, query, page and one session'(phone) {
    phone.start({}, { path: 'pages/goods/detail', query: { id: '42', utm_source: 'gzh' } });
    phone.settle();

    const { collector } = phone;
    assert.deepEqual(collector.names(), FIRST_VISIT);
    const launch = collector.find('app_launch');
    assert.equal(launch['platform'], phone.platform);
    assert.equal(launch['scene'], HOSTS[phone.platform].scene);
    assert.equal(launch['page'], 'pages/goods/detail');
    assert.equal(launch['page_query'], 'id=42&utm_source=gzh');
    assert.equal(collector.find('page_view')['page_query'], 'id=42&utm_source=gzh');
    assert.deepEqual(collector.find('page_view')['utm'], { source: 'gzh' });
    assert.equal(new Set(collector.events.map((event) => event['session_id'])).size, 1);
    assert.deepEqual(
      collector.events.map((event) => event['seq']),
      [1, 2, 3],
    );
    assert.equal(collector.requests.length, 1, 'one request');
    const [request] = collector.requests;
    assert.equal(request!.url, 'https://collector.example/v1/events');
    assert.equal(request!.headers['X-Write-Key'], 'wk_test');
    assert.equal(request!.headers['content-type'], 'application/json');
    assert.equal(request!.body['app_version'], '1.4.2');
    assert.equal(request!.body['env_version'], 'release');
    assert.deepEqual(request!.body['device'], {
      brand: 'Xiaomi',
      model: '2304FPN6DC',
      os: 'Android',
      os_version: '13',
      host_version: '8.0.50',
      base_library_version: '3.5.8',
      language: 'zh_CN',
      network_type: 'wifi',
      screen_width: 393,
      screen_height: 873,
    });
  },

  'hot start: hide with stay and duration, show without a second launch, same session'(phone) {
    const run = phone.start();
    phone.clock.advance(7_000);
    run.hide();
    phone.clock.advance(60_000);
    run.show({ scene: 1089 });
    phone.settle();

    const { collector } = phone;
    assert.deepEqual(collector.names(), [...FIRST_VISIT, 'page_leave', 'app_hide', 'app_show', 'page_view']);
    assert.equal(collector.find('page_leave')['duration_ms'], 7_000);
    assert.equal(collector.find('app_hide')['duration_ms'], 7_000);
    assert.equal(collector.find('app_show')['scene'], 1089);
    assert.equal(new Set(collector.events.map((event) => event['session_id'])).size, 1);
  },

  'hot start after more than 30 minutes: a new session that starts at 1'(phone) {
    const run = phone.start();
    run.hide();
    phone.clock.advance(31 * 60_000);
    run.show();
    phone.settle();

    const ids = phone.collector.events.map((event) => event['session_id']);
    assert.equal(new Set(ids).size, 2);
    assert.equal(ids[4], ids[0], 'app_hide belongs to the first');
    assert.notEqual(ids[5], ids[0]);
    assert.equal(phone.collector.events[5]!['seq'], 1);
  },

  'killed: what was not sent is sent by the next run, once, in the same session'(phone) {
    phone.collector.fail('refused');
    const run = phone.start();
    run.hide();
    run.kill();
    phone.collector.recover();
    phone.clock.advance(60_000);
    phone.start();
    phone.settle();

    const { collector } = phone;
    assert.deepEqual(collector.names(), [...FIRST_VISIT, 'page_leave', 'app_hide', ...FIRST_VISIT]);
    assert.equal(new Set(collector.events.map((event) => event['session_id'])).size, 1);
    assert.equal(new Set(collector.events.map((event) => event['anonymous_id'])).size, 1);
    assert.deepEqual(
      collector.events.map((event) => event['seq']),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.equal(collector.stored.length, collector.events.length, 'nothing twice');
  },

  'killed without a hide: events older than the write delay are safe'(phone) {
    phone.collector.fail('refused');
    const run = phone.start();
    phone.clock.advance(1_000);
    run.kill();
    phone.collector.recover();
    phone.start();
    phone.settle();

    assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, ...FIRST_VISIT]);
  },

  'single page (朋友圈 1154): recorded and marked on WeChat, nothing invented elsewhere'(phone) {
    phone.start({}, { scene: 1154 });
    phone.settle();

    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
    const expected = phone.platform === 'wechat' ? true : undefined;
    for (const event of phone.collector.events) assert.equal(event['properties']['is_single_page'], expected);
  },

  'offline: nothing is lost, sent when the network is back'(phone) {
    phone.isOnline = false;
    phone.networkType = 'none';
    const run = phone.start();
    for (let i = 0; i < 30; i++) run.sdk.track('buy', { i });
    phone.settle(120_000);
    assert.deepEqual(phone.collector.names(), []);
    run.setNetwork(true);
    phone.settle();

    assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, ...Array(30).fill('buy')]);
    assert.equal(phone.collector.stored.length, 33, 'nothing twice');
  },

  '5xx: kept and tried again at growing intervals'(phone) {
    phone.collector.fail({ status: 503 });
    phone.start();
    phone.settle(120_000);
    const times = phone.collector.requests.map((request) => request.at);
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    assert.ok(times.length >= 5 && times.length <= 12, `${times.length} requests in 2 minutes`);
    assert.ok(gaps[gaps.length - 1]! > gaps[0]! * 4, `gaps ${gaps}`);
    phone.collector.recover();
    phone.settle(300_000);

    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
  },

  '429: Retry-After is honoured, also when flush is called'(phone) {
    phone.collector.reply = (body, index) =>
      index === 0
        ? { status: 429, headers: { 'Retry-After': '60' } }
        : {
            status: 200,
            body: { request_id: 'r', accepted: body['events'].length, duplicates: 0, rejected: 0, errors: [] },
          };
    const run = phone.start();
    phone.settle();
    run.sdk.flush();
    phone.clock.advance(53_000);
    assert.equal(phone.collector.requests.length, 1);
    phone.clock.advance(20_000);

    assert.equal(phone.collector.requests.length, 2);
    assert.ok(phone.collector.requests[1]!.at - phone.collector.requests[0]!.at >= 60_000);
    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
  },

  'timeout: a silent collector costs one slot for 10 seconds and no event'(phone) {
    phone.collector.fail('silent');
    phone.start();
    phone.settle(14_000);
    assert.equal(phone.collector.requests.length, 1);
    phone.settle(4_000);
    assert.equal(phone.collector.requests[0]!.isAborted, true);
    phone.collector.recover();
    phone.settle(30_000);

    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
    assert.equal(phone.collector.maxInFlight, 1);
  },

  'storage full: events go on from memory'(phone) {
    phone.isStorageFull = true;
    phone.start();
    phone.settle();

    assert.deepEqual(phone.collector.names(), FIRST_VISIT);
    assert.equal(phone.storage.size, 0);
  },

  'storage corrupt: the run works, the loss is told'(phone) {
    phone.storage.set('scenetrail_wxapp0001_queue', '{"v":1,"contexts":[{}],"events":[[0,{"event_');
    phone.storage.set('scenetrail_wxapp0001_session', 'ÿþ not JSON');
    phone.start();
    phone.settle(12_000);

    assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'sdk_events_dropped']);
    assert.deepEqual(phone.collector.find('sdk_events_dropped')['properties'], { storage_corrupt: 1, count: 1 });
  },

  'consent pending: memory only; granted sends what happened since the start'(phone) {
    const run = phone.start({ consent: 'pending' });
    phone.settle(60_000);
    run.hide();
    run.show();
    assert.equal(phone.collector.requests.length, 0);
    assert.equal(phone.storage.size, 0);
    run.sdk.optIn();
    phone.settle();

    assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'page_leave', 'app_hide', 'app_show', 'page_view']);
    assert.equal(phone.storage.get('scenetrail_wxapp0001_consent'), 'granted');
  },

  'consent denied: nothing is sent, stored ids and events are cleared, later runs stay silent'(phone) {
    phone.collector.fail('refused');
    const run = phone.start({ consent: 'pending' });
    run.sdk.optIn();
    phone.settle();
    phone.collector.recover();
    run.sdk.optOut();
    phone.settle(60_000);
    run.kill();
    const sent = phone.collector.requests.length;
    phone.start({ consent: 'pending' }).sdk.track('buy');
    phone.settle();

    assert.equal(phone.collector.requests.length, sent);
    assert.deepEqual([...phone.storage], [['scenetrail_wxapp0001_consent', 'denied']]);
  },

  'share: the card leads back to its sharer, title and picture untouched, no hook is added'(phone) {
    const run = phone.boot();
    run.init();
    run.registerApp();
    run.registerPages({
      'pages/goods/detail': {
        onShareAppMessage(this: Json, event: Json) {
          assert.ok(this[phone.traits.route], '`this` is the page');
          assert.equal(event['from'], 'menu');
          return { title: '好物', path: '/pages/goods/detail?id=42', imageUrl: 'a.png' };
        },
      },
    });
    run.launch();
    const home = run.open('pages/home/index');
    assert.equal(home['onShareAppMessage'], undefined);
    assert.equal(home['onShareTimeline'], undefined);
    assert.equal(home['onAddToFavorites'], undefined);
    run.open('pages/goods/detail', { id: '42' });
    const card = run.callPage('onShareAppMessage', { from: 'menu' });
    run.hide();

    assert.deepEqual(Object.keys(card).sort(), ['imageUrl', 'path', 'title']);
    assert.equal(card.title, '好物');
    const share = phone.collector.find('share');
    assert.equal(card.path, `/pages/goods/detail?id=42&_st=${share['properties']['share_id']}.1`);
    assert.equal(share['properties']['share_path'], '/pages/goods/detail?id=42');
    assert.equal(share['properties']['share_channel'], 'message');
    assert.equal(share['properties']['depth'], 1);

    const other = new Phone({ platform: phone.platform, style: phone.style });
    const visit = other.start(
      {},
      { path: 'pages/goods/detail', query: { id: '42', _st: `${share['properties']['share_id']}.1` } },
    );
    other.settle();
    for (const event of other.collector.events) assert.equal(event['share_id'], share['properties']['share_id']);
    assert.equal(other.collector.find('page_view')['page_query'], 'id=42');
    assert.equal(visit.sdk.getShareInfo()!.depth, 1);
  },
};

/** The states that the library promises to live through; a name in MATRIX begins with its state. */
const STATES = [
  'cold start',
  'hot start',
  'killed',
  'single page',
  'offline',
  '5xx',
  '429',
  'timeout',
  'storage full',
  'consent pending',
];
/** Combinations that held, by state. */
const held = new Map<string, number>();

for (const platform of PLATFORM_KEYS) {
  for (const style of STYLES) {
    describe(`${platform} ${style}`, () => {
      for (const [name, play] of Object.entries(MATRIX)) {
        test(name, () => {
          play(new Phone({ platform, style }));
          const inert = platform === 'alipay' ? 'baidu' : 'alipay';
          assert.throws(() => play(new Phone({ platform, style, file: inert })), 'asserts nothing');
          for (const state of STATES) if (name.startsWith(state)) held.set(state, (held.get(state) || 0) + 1);
        });
      }
    });
  }
}

test('the matrix is whole: each state held on each platform in each way of registering pages', () => {
  const combinations = PLATFORM_KEYS.length * STYLES.length;
  for (const state of STATES) {
    const count = held.get(state) || 0;
    console.log(`${state.padEnd(16)} ${PLATFORM_KEYS.length} platforms × ${STYLES.length} registrations: ${count} held`);
    assert.ok(count >= combinations && count % combinations === 0, `${state}: ${count} of ${combinations}`);
  }
});
