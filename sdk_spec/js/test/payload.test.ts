import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asId, durationMs, encodeBatch, encodeContext, encodeEvent, toProperties, toSnakeCase } from '../src/payload';

const properties = (given: Record<string, unknown>): { kept: object; leftOut: string[] } => {
  const leftOut: string[] = [];
  return { kept: toProperties([given], (name) => leftOut.push(name)), leftOut };
};

test('camelCase becomes the snake_case of the wire, at every depth but inside properties', () => {
  const wire = JSON.parse(
    encodeEvent({
      eventId: 'e',
      event: 'x',
      occurredAt: 1,
      sessionId: 's',
      seq: 2,
      pageQuery: 'a=1',
      referrerAppId: 'wx2',
      utm: { source: 'gzh' },
      properties: { camelCase: 1 },
    }),
  );

  assert.deepEqual(wire, {
    event_id: 'e',
    event: 'x',
    occurred_at: 1,
    session_id: 's',
    seq: 2,
    page_query: 'a=1',
    referrer_app_id: 'wx2',
    utm: { source: 'gzh' },
    properties: { camelCase: 1 },
  });
  assert.equal(toSnakeCase('baseLibraryVersion'), 'base_library_version');
});

test('a scene keeps its type: leading zeros and numbers alike', () => {
  const scene = (value: string | number): unknown =>
    JSON.parse(encodeEvent({ eventId: 'e', event: 'x', occurredAt: 1, sessionId: 's', seq: 1, scene: value }))['scene'];

  assert.equal(scene('021001'), '021001');
  assert.equal(scene(1044), 1044);
});

test('property values: what the wire carries stays, the rest becomes text or is left out', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const { kept, leftOut } = properties({
    text: 'a',
    number: 19.9,
    zero: 0,
    flag: false,
    nothing: null,
    empty: '',
    list: ['a', 1, { b: 2 }],
    date: new Date(0),
    object: { a: 1 },
    big: 12n,
    nan: NaN,
    infinite: Infinity,
    huge: 1e20,
    fn: () => 1,
    symbol: Symbol('x'),
    cycle,
    missing: undefined,
  });

  assert.deepEqual(kept, {
    text: 'a',
    number: 19.9,
    zero: 0,
    flag: false,
    nothing: null,
    empty: '',
    list: ['a', '1', '{"b":2}'],
    date: '1970-01-01T00:00:00.000Z',
    object: '{"a":1}',
    big: '12',
  });
  assert.deepEqual(leftOut.sort(), ['cycle', 'fn', 'huge', 'infinite', 'nan', 'symbol']);
});

test('lone surrogates are replaced: one would make the collector refuse the body', () => {
  const { kept } = properties({ cut: '😀'.slice(0, 1), whole: '😀好' });

  assert.deepEqual(kept, { cut: '\ufffd', whole: '😀好' });
});

test('lengths are kept within the limits of the wire', () => {
  const many = properties(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`p${i}`, i])));
  const wire = JSON.parse(
    encodeEvent({
      eventId: 'e',
      event: 'x',
      occurredAt: 1,
      sessionId: 's',
      seq: 1,
      page: 'p'.repeat(5_000),
      pageQuery: 'q'.repeat(10_000),
      utm: { source: 'u'.repeat(999) },
    }),
  );
  const long = properties({ ['n'.repeat(200)]: 's'.repeat(9_999) });

  assert.equal(Object.keys(many.kept).length, 256);
  assert.equal(many.leftOut.length, 44);
  assert.equal(wire['page'].length, 1_024);
  assert.equal(wire['page_query'].length, 8_192);
  assert.equal(wire['utm']['source'].length, 256);
  assert.deepEqual(long.kept, { ['n'.repeat(128)]: 's'.repeat(4_096) });
});

test('an id is 1 to 128 printable characters and never shortened', () => {
  const cases: [unknown, string | undefined][] = [
    ['oABC-_1', 'oABC-_1'],
    [' a ', 'a'],
    [42, '42'],
    [NaN, undefined],
    [1.5, undefined],
    [2 ** 60, undefined],
    [12n, undefined],
    ['x'.repeat(128), 'x'.repeat(128)],
    ['用户', '用户'],
    ['x'.repeat(129), undefined],
    ['', undefined],
    ['  ', undefined],
    ['a\nb', undefined],
    [undefined, undefined],
    [null, undefined],
    [{}, undefined],
  ];
  for (const [given, expected] of cases) assert.equal(asId(given), expected, String(given));
});

test('durations are differences of the wall clock, clamped to 0 and a day', () => {
  assert.equal(durationMs(1_000, 4_500), 3_500);
  assert.equal(durationMs(4_500, 1_000), 0);
  assert.equal(durationMs(0, 1e12), 86_400_000);
});

test('a batch is the envelope, one context and the encoded events', () => {
  const context = encodeContext({
    anonymousId: 'a',
    userId: 'u',
    device: { model: 'M', osVersion: '13', screenWidth: 393 },
    appVersion: '1.0',
  });
  const body = JSON.parse(encodeBatch('wx1', 'wechat', 5, context, ['{"event_id":"1"}', '{"event_id":"2"}']));

  assert.deepEqual(body, {
    app_id: 'wx1',
    platform: 'wechat',
    sent_at: 5,
    sdk: { name: 'scenetrail-js', version: '1.0.0' },
    anonymous_id: 'a',
    user_id: 'u',
    device: { model: 'M', os_version: '13', screen_width: 393 },
    app_version: '1.0',
    events: [{ event_id: '1' }, { event_id: '2' }],
  });
});
