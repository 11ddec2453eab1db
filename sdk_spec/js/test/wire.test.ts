/** Every request body against the contract's JSON Schema, with the largest and oddest input the API takes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { Phone, PLATFORM_KEYS, type Json } from './stub_host';

const schema = JSON.parse(
  readFileSync(new URL('../../../schema/event_batch.v1.json', import.meta.url), 'utf8'),
) as Json;
const validate = new Ajv2020({ strict: false }).compile(schema);

for (const platform of PLATFORM_KEYS) {
  test(`${platform}: requests of a whole visit, with values beyond the limits, are valid`, () => {
    const phone = new Phone({ platform });
    const long = '很长'.repeat(10_000);
    const run = phone.boot();
    run.init();
    run.registerApp();
    run.registerPages({
      'pages/goods/detail': { onShareAppMessage: () => ({ path: long }), onAddToFavorites: () => undefined },
    });
    run.launch({
      path: `pages/${long}`,
      query: { q: `https%3A%2F%2Fa.example%2F%3Futm_source%3D${'x'.repeat(2_000)}`, scene: long, empty: '' },
      scene: 1044,
      shareTicket: 't'.repeat(3_000),
      chatType: 3,
      referrerInfo: { appId: 'wx'.repeat(200) },
    });
    run.open('pages/home/index', { long });
    run.sdk.identify({ userId: 'u', openid: long, unionid: 7 as never });
    run.sdk.setGroupId(long);
    run.sdk.track(long);
    run.sdk.track('odd', {
      [long]: long,
      '': 1,
      list: Array(999).fill('好'),
      nested: { a: [1] },
      huge: 1e300,
      date: new Date('invalid'),
      half: '\ud83d',
      nul: '\u0000',
    });
    run.sdk.track('vast', { list: Array(999).fill(long) });
    run.sdk.track('many', Object.fromEntries(Array.from({ length: 999 }, (_, i) => [`p${i}`, i])));
    run.open('pages/goods/detail');
    run.callPage('onShareAppMessage', {});
    run.callPage('onAddToFavorites');
    run.raise(long);
    run.hide();
    phone.settle(60_000);

    assert.ok(phone.collector.requests.length > 0);
    assert.deepEqual(run.sdk.getStats()!.queued, 0);
    for (const { body } of phone.collector.requests) assert.ok(validate(body), JSON.stringify(validate.errors));
    const names = phone.collector.names();
    assert.ok(names.includes('odd') && names.includes('many') && !names.includes('vast'));
    assert.deepEqual(phone.collector.find('sdk_events_dropped')['properties'], { too_large: 1, count: 1 });
  });
}
