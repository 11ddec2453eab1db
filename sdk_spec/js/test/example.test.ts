/** The example mini-program runs in the stub host and is tracked. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { Phone, type Json, type Run } from './stub_host';

const FOLDER = new URL('../../example/wechat/', import.meta.url);

/** Run one file of the mini-program, as its loader does. */
function load(run: Run, path: string): void {
  const code = readFileSync(new URL(path, FOLDER), 'utf8');
  vm.compileFunction(code, ['require'], { parsingContext: run.context as vm.Context })(() => run.sdk);
}

test('the example: consent, pages, tracked events and a shared card', () => {
  const phone = new Phone();
  const run = phone.boot();
  Object.assign(run.host, { login: ({ success }: Json) => success({}), navigateTo: () => undefined });
  load(run, 'app.js');
  run.declarePage('pages/home/index', () => load(run, 'pages/home/index.js'));
  run.declarePage('pages/goods/detail', () => load(run, 'pages/goods/detail.js'));
  run.launch();
  const home = run.open('pages/home/index');
  assert.equal(home['data'].isAsking, true);
  phone.settle();
  assert.equal(phone.collector.requests.length, 0);
  home['agree']();
  const detail = run.open('pages/goods/detail', { id: '42' });
  detail['buy']();
  const card = run.callPage('onShareAppMessage', { from: 'button' });
  run.hide();

  assert.deepEqual(phone.collector.names(), [
    'app_launch',
    'app_show',
    'page_view',
    'page_leave',
    'product_view',
    'page_view',
    'add_to_cart',
    'order_pay',
    'user_increment',
    'share',
    'page_leave',
    'app_hide',
  ]);
  assert.equal(phone.collector.find('product_view')['page'], 'pages/goods/detail', 'tracked in onLoad');
  assert.match(card.path, /^\/pages\/goods\/detail\?id=42&_st=[0-9a-z]{14}\.1$/);
  assert.equal(phone.collector.find('order_pay')['duration_ms'], 0);
});
