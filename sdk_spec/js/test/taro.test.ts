/** The real runtime of Taro 4: its page configuration registered in a stub host, and driven by it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { Phone, type Json, type Run } from './stub_host';

/** Load Taro into the context and register a page whose component has the given methods. */
function registerTaroPage(run: Run, name: string, instance: Json, config: Json = {}): void {
  const context = run.context as vm.Context;
  if (!context['taro']) {
    context['global'] = vm.runInContext('globalThis', context);
    context['requestAnimationFrame'] = (callback: () => void) => context['setTimeout'](callback, 16);
    vm.runInContext(
      `${readFileSync(new URL('./taro_runtime.js', import.meta.url), 'utf8')};globalThis.taro = taro;`,
      context,
    );
    const { taro } = context;
    // What a framework's connector (react, vue) does when a page is mounted.
    taro.Current.app = {
      mount(component: Json, path: string, done: () => void) {
        taro.injectPageInstance(component, path);
        const root = taro.document.createElement('root');
        root.id = path;
        taro.document.body.appendChild(root);
        done();
      },
      unmount: (_path: string, done: () => void) => done(),
    };
  }
  run.declarePage(name, () =>
    context['Page'](context['taro'].createPageConfig(instance, name, { root: { cn: [] } }, config)),
  );
}

/** Taro runs a page's hooks in microtasks. */
const microtasks = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

test("a Taro app: views, stays and a card; the component's hooks run as before", async () => {
  const phone = new Phone();
  const run = phone.boot();
  const hooks: string[] = [];
  run.init();
  run.registerApp();
  registerTaroPage(run, 'pages/home/index', {
    componentDidShow: () => hooks.push('show'),
    onLoad: () => hooks.push('load'),
  });
  registerTaroPage(
    run,
    'pages/goods/detail',
    { onShareAppMessage: ({ from }: Json) => ({ title: `来自${from}`, path: '/pages/goods/detail?id=42' }) },
    { enableShareAppMessage: true },
  );
  run.launch();
  const home = run.open('pages/home/index', { a: '1' });
  home['setData'] = () => undefined;
  await microtasks();
  phone.clock.advance(2_000);
  const detail = run.open('pages/goods/detail', { id: '42' });
  detail['setData'] = () => undefined;
  await microtasks();
  const card = run.callPage('onShareAppMessage', { from: 'menu' });
  run.back();
  await microtasks();
  phone.settle();

  assert.equal(home['onShareAppMessage'], undefined);
  assert.equal(hooks[0], 'load');
  const { collector } = phone;
  assert.deepEqual(collector.names(), [
    'app_launch',
    'app_show',
    'page_view',
    'page_leave',
    'page_view',
    'share',
    'page_leave',
    'page_view',
  ]);
  assert.equal(collector.find('share')['page'], 'pages/goods/detail');
  assert.equal(card.title, '来自menu');
  assert.equal(card.path, `/pages/goods/detail?id=42&_st=${collector.find('share')['properties']['share_id']}.1`);
  assert.equal(collector.events[3]!['duration_ms'], 2_000);
  assert.equal(collector.events[2]!['page_query'], 'a=1');
});
