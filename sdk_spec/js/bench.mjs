/**
 * Prints what the built WeChat library costs the app that holds it, in milliseconds of its JavaScript thread: loading,
 * `init` with the launch, one `track`, a hide with a full queue. Each run has a context of its own, as a cold start has;
 * the first one is shown by itself, because then the code has never run. Storage and requests cost nothing here: a phone's are added.
 */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const RUNS = 30;
const TRACKS = 500;
const code = readFileSync(new URL('dist/wechat.js', import.meta.url), 'utf8');

function coldStart() {
  const listeners = {};
  const storage = new Map();
  const options = { path: 'pages/home/index', scene: 1001, query: { id: '42' } };
  const wx = {
    request: () => ({ abort() {} }),
    getStorageSync: (key) => storage.get(key) ?? '',
    setStorageSync: (key, value) => void storage.set(key, value),
    removeStorageSync: (key) => void storage.delete(key),
    getLaunchOptionsSync: () => options,
    getEnterOptionsSync: () => options,
    getNetworkType: () => undefined,
    getDeviceInfo: () => ({ brand: 'Xiaomi', model: '2304FPN6DC', system: 'Android 13' }),
    getWindowInfo: () => ({ screenWidth: 393, screenHeight: 873 }),
    getAppBaseInfo: () => ({ version: '8.0.50', SDKVersion: '3.5.8', language: 'zh_CN' }),
    getAccountInfoSync: () => ({ miniProgram: { appId: 'wx1', version: '1.0.0', envVersion: 'release' } }),
    onAppShow: (listener) => (listeners.show = listener),
    onAppHide: (listener) => (listeners.hide = listener),
  };
  let app;
  const context = vm.createContext({ wx, setTimeout: () => 1, clearTimeout: () => undefined, App: (given) => (app = given) });
  const took = (step) => {
    const from = performance.now();
    step();
    return performance.now() - from;
  };
  const sdk = {};
  const load = took(() => vm.compileFunction(code, ['exports'], { parsingContext: context })(sdk));
  context.App({ onLaunch() {} });
  const launch = took(() => {
    sdk.init({ collectorUrl: 'https://collector.example', writeKey: 'wk' });
    app.onLaunch(options);
    listeners.show(options);
  });
  const track = took(() => {
    for (let i = 0; i < TRACKS; i++) sdk.track('buy', { i, sku: 'A-1', price: 19.9, name: '好物' });
  });
  const hide = took(() => listeners.hide());
  return { load, 'init, onLaunch, onShow': launch, 'one track': track / TRACKS, 'hide, 500 events waiting': hide };
}

const runs = Array.from({ length: RUNS }, coldStart);
console.log('ms of the JavaScript thread'.padEnd(28), 'first run'.padStart(10), 'median'.padStart(10), 'worst'.padStart(10));
for (const name of Object.keys(runs[0])) {
  const values = runs.map((run) => run[name]);
  const sorted = [...values].sort((a, b) => a - b);
  const cells = [values[0], sorted[RUNS >> 1], sorted[RUNS - 1]].map((ms) => ms.toFixed(3).padStart(10));
  console.log(name.padEnd(28), ...cells);
}
