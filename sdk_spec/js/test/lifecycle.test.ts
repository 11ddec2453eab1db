/** Automatic events: hosts call hooks twice, late, in another order or never; each event happens once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Phone, type Json } from './stub_host';

const FIRST_VISIT = ['app_launch', 'app_show', 'page_view'];

test('navigation: each page has a view and a leave with its stay and its predecessor', () => {
  const phone = new Phone();
  const run = phone.start();
  phone.clock.advance(2_000);
  run.open('pages/goods/detail', { id: '42' });
  phone.clock.advance(3_000);
  run.back();
  phone.settle();

  const pages = phone.collector.events
    .slice(2)
    .map((event) => [event['event'], event['page'], event['duration_ms'], event['referrer_page']]);
  assert.deepEqual(pages, [
    ['page_view', 'pages/home/index', undefined, undefined],
    ['page_leave', 'pages/home/index', 2_000, undefined],
    ['page_view', 'pages/goods/detail', undefined, 'pages/home/index'],
    ['page_leave', 'pages/goods/detail', 3_000, undefined],
    ['page_view', 'pages/home/index', undefined, 'pages/goods/detail'],
  ]);
});

test("events of a page's own onShow follow its page_view and carry its route", () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  run.registerPages({
    'pages/home/index': { onShow: () => run.sdk.track('shown'), onHide: () => run.sdk.track('hidden') },
  });
  run.launch();
  run.open('pages/home/index');
  run.hide();

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'shown', 'hidden', 'page_leave', 'app_hide']);
  assert.equal(phone.collector.find('hidden')['page'], 'pages/home/index');
});

test('no App (independent subpackage, plugin): launch and show are found all the same', () => {
  const phone = new Phone();
  const run = phone.boot();
  delete run.context['App'];
  run.init();
  run.registerPages();
  run.launch({ scene: 1007 });
  run.open('pages/home/index');
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
  assert.equal(phone.collector.find('app_launch')['scene'], 1007);
});

test('no App and no listeners: the first page reveals the launch', () => {
  const phone = new Phone({ platform: 'kuaishou' });
  const run = phone.boot();
  delete run.context['App'];
  run.init();
  run.registerPages();
  run.launch({ scene: '011001' });
  run.open('pages/home/index');
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
  assert.equal(phone.collector.find('app_show')['scene'], '011001');
});

test('no hooks at all: a tracked event reveals the launch, else a second does', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.sdk.track('buy');
  phone.settle();
  assert.deepEqual(phone.collector.names(), ['app_launch', 'app_show', 'buy']);

  const silent = new Phone();
  silent.boot().init();
  silent.settle(8_000);
  assert.deepEqual(silent.collector.names(), ['app_launch', 'app_show']);
});

test('a late init (after the first page) makes up for launch, show and the visible page', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.registerApp();
  run.registerPages();
  run.launch({ scene: 1047, path: 'pages/goods/detail', query: { id: '42' } });
  run.open('pages/goods/detail', { id: '42' });
  phone.clock.advance(20_000);
  run.init();
  phone.settle();
  run.hide();

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'page_leave', 'app_hide']);
  assert.equal(phone.collector.find('app_launch')['scene'], 1047);
  assert.equal(phone.collector.find('page_view')['page_query'], 'id=42');
});

test('init inside onLaunch: nothing twice', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.registerApp({ onLaunch: () => run.init() });
  run.registerPages();
  run.launch();
  run.open('pages/home/index');
  phone.settle();

  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});

test('what follows init in the same step is in the first event', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.sdk.registerSuperProperties({ channel: 'offline' });
  run.registerApp();
  run.registerPages();
  run.launch();
  run.open('pages/home/index');
  phone.settle();

  for (const event of phone.collector.events) assert.equal(event['properties']['channel'], 'offline');
});

test('a show without a hide before it is an echo within a second, an entry after it', () => {
  const phone = new Phone();
  const run = phone.start();
  run.show();
  phone.clock.advance(5_000);
  run.show({ scene: 1089 });
  phone.settle();

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'app_show']);
});

test('a host without hide (web state) and a page that is left twice count once', () => {
  const phone = new Phone({ platform: 'baidu' });
  const run = phone.start();
  run.callPage('onHide');
  run.callPage('onUnload');
  phone.settle();

  assert.deepEqual(phone.collector.names(), [...FIRST_VISIT, 'page_leave']);
});

test('a clock set back during a stay gives 0, not a negative duration', () => {
  const phone = new Phone();
  const run = phone.start();
  phone.clock.jump(-3_600_000);
  run.hide();

  assert.equal(phone.collector.find('page_leave')['duration_ms'], 0);
  assert.equal(phone.collector.find('app_hide')['duration_ms'], 0);
});

test('a card stays with its visit, across pages, hide and kill, until the session ends', () => {
  const phone = new Phone();
  const query = { _st: 'abcdef123456ab.2' };
  const run = phone.start({}, { query });
  run.hide();
  run.show({ scene: 1089 });
  run.kill();
  const second = phone.start();
  phone.settle();
  second.sdk.track('buy');
  phone.settle();
  assert.equal(phone.collector.find('buy')['share_id'], 'abcdef123456ab');
  phone.clock.advance(31 * 60_000);
  second.sdk.track('later');
  phone.settle();

  assert.equal(phone.collector.find('later')['share_id'], undefined);
});

test('a second generation card names its parent and is one deeper', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  run.registerPages({
    'pages/goods/detail': {
      onShareAppMessage: () => undefined,
      onShareTimeline: () => ({ title: 't' }),
      onAddToFavorites: () => ({ query: 'a=1' }),
    },
  });
  run.launch({ path: 'pages/goods/detail', query: { id: '1', _st: 'abcdef123456ab.2' } });
  run.open('pages/goods/detail', { id: '1', _st: 'abcdef123456ab.2' });
  const message = run.callPage('onShareAppMessage', { from: 'button' });
  const timeline = run.callPage('onShareTimeline');
  const favorite = run.callPage('onAddToFavorites');
  phone.settle();

  const shares = phone.collector.events
    .filter((event) => event['event'] === 'share')
    .map((event) => event['properties'] as Json);
  assert.deepEqual(
    shares.map((share) => [share['share_channel'], share['parent_share_id'], share['depth']]),
    [
      ['message', 'abcdef123456ab', 3],
      ['timeline', 'abcdef123456ab', 3],
      ['favorite', 'abcdef123456ab', 3],
    ],
  );
  assert.equal(new Set(shares.map((share) => share['share_id'])).size, 3);
  assert.equal(message.path, `/pages/goods/detail?id=1&_st=${shares[0]!['share_id']}.3`);
  assert.equal(timeline.query, `id=1&_st=${shares[1]!['share_id']}.3`);
  assert.equal(favorite.query, `a=1&_st=${shares[2]!['share_id']}.3`);
  assert.equal(phone.collector.find('add_favorite')['properties']['share_id'], shares[2]!['share_id']);
});

test('a share handler that throws throws to the host as before, and records nothing', () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  run.registerPages({
    'pages/home/index': {
      onShareAppMessage() {
        throw new Error('theirs');
      },
    },
  });
  run.launch();
  run.open('pages/home/index');

  assert.throws(() => run.callPage('onShareAppMessage'), /theirs/);
  phone.settle();
  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});

test('every automatic event can be switched off, one by one and all', () => {
  const run = (autoTrack: unknown): string[] => {
    const phone = new Phone();
    phone.start({ autoTrack: autoTrack as boolean }).hide();
    return phone.collector.names();
  };

  assert.deepEqual(run(true), [...FIRST_VISIT, 'page_leave', 'app_hide']);
  assert.deepEqual(run({}), [...FIRST_VISIT, 'page_leave', 'app_hide']);
  assert.deepEqual(run({ appLaunch: false, pageLeave: false }), ['app_show', 'page_view', 'app_hide']);
  assert.deepEqual(run(false), []);
});

test("with share switched off, the handler's return value is passed on untouched", () => {
  const phone = new Phone();
  const run = phone.boot();
  const value = { title: 't' };
  run.init({ autoTrack: { share: false } });
  run.registerApp();
  run.registerPages({ 'pages/home/index': { onShareAppMessage: () => value } });
  run.launch();
  run.open('pages/home/index');

  assert.equal(run.callPage('onShareAppMessage'), value);
});

test('taps: only when switched on, with handler and element, not the other data', () => {
  const play = (tap: boolean): Phone => {
    const phone = new Phone();
    const run = phone.boot();
    run.init({ autoTrack: { tap } });
    run.registerApp();
    run.registerPages({ 'pages/home/index': { buy: () => 'theirs', load: () => 'data' } });
    run.launch();
    run.open('pages/home/index');
    assert.equal(
      run.callPage('buy', { type: 'tap', currentTarget: { id: 'b1', dataset: { track: 'buy-now', phone: '138' } } }),
      'theirs',
    );
    assert.equal(run.callPage('load', { type: 'success' }), 'data');
    phone.settle();
    return phone;
  };

  assert.deepEqual(play(false).collector.names(), FIRST_VISIT);
  assert.deepEqual(play(true).collector.find('tap')['properties'], {
    handler: 'buy',
    element_id: 'b1',
    element: 'buy-now',
    kind: 'tap',
  });
});

test('app errors are recorded, at most 10 a minute', () => {
  const phone = new Phone();
  const run = phone.start();
  for (let i = 0; i < 50; i++) run.raise(`boom ${i}`);
  phone.clock.advance(61_000);
  run.raise('later');
  phone.settle();

  const errors = phone.collector.events
    .filter((event) => event['event'] === 'app_error')
    .map((event) => event['properties']);
  assert.equal(errors.length, 11);
  assert.deepEqual(errors[0], { kind: 'error', message: 'boom 0' });
});

test('crawlers and tests are marked, on WeChat and Kuaishou', () => {
  const mark = (platform: 'wechat' | 'kuaishou', scene: number | string): Json => {
    const phone = new Phone({ platform });
    phone.start({}, { scene });
    phone.settle();
    return phone.collector.find('app_launch')['properties'];
  };

  assert.deepEqual(mark('wechat', 1129), { is_crawler: true });
  assert.deepEqual(mark('wechat', 1203), { is_test: true });
  assert.deepEqual(mark('kuaishou', '011014'), { is_test: true });
  assert.deepEqual(mark('wechat', 1001), {});
});

test('a method called onShow in an ordinary component is no page view', () => {
  const phone = new Phone();
  const run = phone.start();
  const options: Json = { methods: { onShow: () => 'theirs' } };
  run.context['Component'](options);

  assert.equal(options['methods'].onShow.call({ is: 'components/card' }), 'theirs');
  phone.settle();
  assert.deepEqual(phone.collector.names(), FIRST_VISIT);
});
