/** A real component framework (miniprogram-simulate, WeChat's exparser): a wrapped component renders, works, and its tap is heard. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Phone, type Json } from './stub_host';

const require = createRequire(import.meta.url);

/** The framework wants a browser's globals at load time. */
function loadSimulate(): Json {
  const { JSDOM } = require('jsdom');
  const { window } = new JSDOM('<!doctype html><body></body>');
  Object.assign(globalThis, { window });
  for (const name of ['document', 'HTMLElement', 'Node', 'Event', 'CustomEvent', 'MutationObserver', 'TouchEvent'])
    Object.assign(globalThis, { [name]: window[name] });
  return require('miniprogram-simulate');
}

test('a component that was wrapped renders and updates; its tap becomes an event, its onShow no page view', async () => {
  const phone = new Phone();
  const run = phone.boot();
  run.init({ autoTrack: { tap: true } });
  run.registerApp();
  run.registerPages();
  // The library wraps the methods of this object in place.
  const registered: Json = {
    data: { n: 0 },
    methods: {
      buy(this: Json) {
        this['setData']({ n: this['data'].n + 1 });
      },
      onShow: () => undefined,
    },
  };
  run.context['Component'](registered);
  run.launch();
  run.open('pages/home/index');

  const simulate = loadSimulate();
  const component = simulate['render'](
    simulate['load']({
      ...registered,
      template: '<button class="b" data-track="buy-now" bindtap="buy">{{n}}</button>',
    }),
  );
  component.attach(document.createElement('div'));
  component.instance.onShow();
  component.querySelector('.b').dispatchEvent('tap');
  // The framework hands events on in a task of its own.
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 12_000 && component.data.n === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  phone.settle();

  assert.equal(component.data.n, 1);
  assert.deepEqual(phone.collector.names(), ['app_launch', 'app_show', 'page_view', 'tap']);
  assert.deepEqual(phone.collector.find('tap')['properties'], { handler: 'buy', element: 'buy-now', kind: 'tap' });
});

test("a real component with behaviors: a behavior's own onShow runs, what none of them has is heard", () => {
  const simulate = loadSimulate();
  const phone = new Phone();
  const run = phone.boot();
  run.init();
  run.registerApp();
  run.context['Behavior'] = Behavior;
  const calls: string[] = [];
  const theirs = Behavior({ methods: { onShow: () => calls.push('theirs') } });
  const registered: Json = { behaviors: [theirs], methods: { buy: () => calls.push('buy') } };
  run.context['Component'](registered);
  run.launch();

  const { instance } = simulate['render'](simulate['load']({ ...registered, template: '<view/>' }));
  // What a host does with a page made by `Component`.
  Object.defineProperty(instance, 'route', { value: 'pages/home/index' });
  instance.onLoad({ id: '42' });
  instance.onShow();
  instance.buy();
  run.sdk.track('buy');
  phone.settle();

  assert.deepEqual(calls, ['theirs', 'buy']);
  assert.equal(phone.collector.find('buy')['page'], 'pages/home/index', 'our onLoad was heard');
});

declare const Behavior: (options: Json) => unknown;
declare const document: { createElement(name: string): object };
