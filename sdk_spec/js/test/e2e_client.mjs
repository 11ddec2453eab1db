/**
 * Plays users of a mini-program with the built WeChat library over real HTTP, and prints as JSON what they did.
 *
 * Each user has a JavaScript context and a storage of their own; `wx.request` is Node's fetch. A visit is a cold start
 * (every other one on the card that the user before has shared), a page, tracked events, one with odd properties, a share and a hide. With
 * `KILLS`, that many users lose their process in the middle and start again on the same storage.
 *
 * Settings, from the environment: `COLLECTOR_URL`, `WRITE_KEY`, `APP_ID`; `USERS` (10), `EVENTS` a user tracks (20),
 * `KILLS` (0), `PACE_MS` between two tracked events (5), `DEADLINE_S` (60) until it gives up on what is still queued, `REQUEST_TIMEOUT_MS` (5000).
 *
 * Output, one line: `created` and `delivered` (event ids; delivered means the collector's answer said so), `refused` (ids),
 * `names` (number created by event name), `queued` (number that never got through), `dropped` (by reason), `requests` by status (`none`: no answer), `users`, `shares`.
 * Exit code 0 if nothing is queued, 1 otherwise.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const env = process.env;
const setting = (name, fallback) => Number(env[name] ?? fallback);
const { COLLECTOR_URL, WRITE_KEY, APP_ID } = env;
if (!COLLECTOR_URL || !WRITE_KEY || !APP_ID) throw new Error('COLLECTOR_URL, WRITE_KEY and APP_ID are needed');
const userCount = setting('USERS', 10);
const eventCount = setting('EVENTS', 20);
const killCount = setting('KILLS', 0);
const paceMs = setting('PACE_MS', 5);
const deadline = Date.now() + setting('DEADLINE_S', 60) * 1_000;

const code = readFileSync(new URL('../dist/wechat.js', import.meta.url), 'utf8');
const created = new Map();
const delivered = new Set();
const refused = new Set();
const requests = {};
const dropped = {};
let shares = 0;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const countStatus = (status) => (requests[status] = (requests[status] || 0) + 1);

const noteCreated = ({ event_id: id, event }) => created.set(id, event);

/** What the collector said about each event of a batch. */
function noteFates(body, answer) {
  const bad = new Set((answer.errors || []).map((error) => error.index));
  JSON.parse(body).events.forEach((event, index) => (bad.has(index) ? refused : delivered).add(event.event_id));
}

/** `wx.request` over fetch; `isAlive` tells whether the process that asked still exists. */
function request(options, isAlive) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), options.timeout);
  const run = async () => {
    try {
      const response = await fetch(options.url, {
        method: options.method,
        headers: options.header,
        body: options.data,
        signal: controller.signal,
      });
      const data = await response.text();
      countStatus(response.status);
      // A process that was killed never learns the answer; the collector has the events all the same.
      if (!isAlive()) return;
      if (response.status === 200 || response.status === 422) noteFates(options.data, JSON.parse(data));
      options.success({ statusCode: response.status, data, header: Object.fromEntries(response.headers) });
    } catch (error) {
      countStatus('none');
      if (isAlive()) options.fail({ errMsg: `request:fail ${error.message}` });
    } finally {
      clearTimeout(timer);
    }
  };
  void run();
  return { abort: () => controller.abort() };
}

/** One process of one user's mini-program. */
function boot(storage, launchOptions) {
  let isKilled = false;
  const isAlive = () => !isKilled;
  const listeners = { show: [], hide: [] };
  const pages = {};
  const wx = {
    request: (options) => request(options, isAlive),
    getStorageSync: (key) => storage.get(key) ?? '',
    setStorageSync: (key, value) => void storage.set(key, value),
    removeStorageSync: (key) => void storage.delete(key),
    getLaunchOptionsSync: () => launchOptions,
    getEnterOptionsSync: () => launchOptions,
    getNetworkType: ({ success }) => setTimeout(() => success({ networkType: 'wifi' }), 1),
    getDeviceInfo: () => ({ brand: 'Apple', model: 'iPhone15,3', system: 'iOS 17.5', platform: 'ios' }),
    getWindowInfo: () => ({ screenWidth: 393, screenHeight: 852 }),
    getAppBaseInfo: () => ({ version: '8.0.50', SDKVersion: '3.5.8', language: 'zh_CN' }),
    getAccountInfoSync: () => ({ miniProgram: { appId: APP_ID, version: '1.0.0', envVersion: 'release' } }),
    onAppShow: (listener) => listeners.show.push(listener),
    onAppHide: (listener) => listeners.hide.push(listener),
  };
  const context = vm.createContext({
    wx,
    setTimeout: (callback, ms) => setTimeout(() => isAlive() && callback(), ms),
    clearTimeout,
    Page: (options) => (pages.registered = options),
  });
  const sdk = {};
  vm.compileFunction(code, ['exports'], { parsingContext: context })(sdk);
  sdk.init({
    collectorUrl: COLLECTOR_URL,
    writeKey: WRITE_KEY,
    flushIntervalMs: 100,
    requestTimeoutMs: setting('REQUEST_TIMEOUT_MS', 5_000),
    maxQueueEvents: 10_000,
    debug: (message, detail) => {
      if (typeof detail === 'string' && detail.startsWith('{"event_id"')) noteCreated(JSON.parse(detail));
    },
  });
  context.Page({ onShareAppMessage: () => ({ title: 'card', path: '/pages/goods/detail?id=42' }) });
  listeners.show.forEach((listener) => listener(launchOptions));
  const page = Object.create(pages.registered, { route: { value: launchOptions.path } });
  page.onLoad(launchOptions.query);
  page.onShow();
  return {
    sdk,
    share: () => page.onShareAppMessage({ from: 'button' }),
    hide: () => listeners.hide.forEach((listener) => listener()),
    kill: () => (isKilled = true),
  };
}

/** What no schema expects; the collector must refuse none of it. */
const odd = () => ({
  half: '\ud83d',
  nul: 'a\u0000b\u202e',
  big: 2n ** 80n,
  edge: 2 ** 63,
  nan: NaN,
  date: new Date(NaN),
  deep: { a: [{ b: 1 }] },
  list: Array(999).fill('好'),
  long: '很长'.repeat(9_000),
  ['name\n'.repeat(99)]: 1,
  get broken() {
    throw new Error('getter');
  },
  ...Object.fromEntries(Array.from({ length: 999 }, (_, i) => [`p${i}`, i])),
});

async function trackSome(sdk, user, from, to) {
  for (let i = from; i < to; i++) {
    sdk.track('buy', { user, i, price: i + 0.5, name: '好物' });
    await sleep(paceMs);
  }
}

async function playUser(user, cardPath) {
  const storage = new Map();
  const [, query] = (cardPath || '').split('?');
  const options = {
    path: 'pages/goods/detail',
    scene: cardPath ? 1044 : 1001,
    query: Object.fromEntries(new URLSearchParams(query)),
  };
  let run = boot(storage, options);
  run.sdk.identify({ openid: `o-e2e-${user}` });
  const card = run.share();
  shares++;
  const finish = async () => {
    const half = Math.floor(eventCount / 2);
    await trackSome(run.sdk, user, 0, half);
    if (user < killCount) {
      // Longer than the delay of a write, so that nothing tracked so far may be lost.
      await sleep(400);
      run.kill();
      run = boot(storage, options);
    }
    await trackSome(run.sdk, user, half, eventCount);
    run.sdk.track('odd', odd());
    run.hide();
    while (run.sdk.getStats().queued && Date.now() < deadline) {
      await sleep(200);
      run.sdk.flush();
    }
    const stats = run.sdk.getStats();
    for (const [reason, count] of Object.entries(stats.dropped)) dropped[reason] = (dropped[reason] || 0) + count;
    return stats.queued;
  };
  return { path: card.path, finished: finish() };
}

const finishing = [];
let lastCard;
for (let user = 0; user < userCount; user++) {
  const { path, finished } = await playUser(user, user % 2 ? lastCard : undefined);
  lastCard = path;
  finishing.push(finished);
  if (user % 20 === 19) await Promise.all(finishing);
}
const queued = (await Promise.all(finishing)).reduce((sum, count) => sum + count, 0);
const names = {};
for (const name of created.values()) names[name] = (names[name] || 0) + 1;
process.stdout.write(
  JSON.stringify({
    created: [...created.keys()],
    names,
    delivered: [...delivered],
    refused: [...refused],
    queued,
    dropped,
    requests,
    users: userCount,
    shares,
  }) + '\n',
  () => process.exit(queued ? 1 : 0),
);
