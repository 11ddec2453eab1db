/** What becomes of a batch for each answer, over the built WeChat file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Phone, type Json, type Reply, type Run } from './stub_host';

/** A phone whose first events are delivered; what follows meets the given replies, then success. */
function afterStart(replies: Reply[], options = {}): { phone: Phone; run: Run; times: () => number[] } {
  const phone = new Phone();
  const run = phone.start({ autoTrack: false, ...options });
  phone.settle();
  const success = phone.collector.reply;
  phone.collector.reply = (body, index) => replies[index] ?? success(body, index);
  return { phone, run, times: () => phone.collector.requests.map((request) => request.at - phone.clock.now) };
}

const trackMany = (run: Run, count: number): void => {
  for (let i = 0; i < count; i++) run.sdk.track('buy', { i });
};
/** A copy of this realm: the library's objects are of the stub host's. */
const stats = (run: Run): Json => JSON.parse(JSON.stringify(run.sdk.getStats()));
const delivered = (phone: Phone): number[] =>
  phone.collector.events.filter((event) => event['event'] === 'buy').map((event) => event['properties']['i']);

const KEPT: [string, Reply][] = [
  ['408', { status: 408 }],
  ['429 without Retry-After', { status: 429 }],
  ['500', { status: 500 }],
  ['502', { status: 502, body: '<html>bad gateway</html>' }],
  ['503', { status: 503 }],
  ['no connection', 'refused'],
  ['no answer', 'silent'],
  ['a 200 of something that is not the collector', { status: 200, body: '<html>Wi-Fi login</html>' }],
  ['a 200 with another JSON', { status: 200, body: { ok: true } }],
  ['a redirect', { status: 302 }],
];
for (const [name, reply] of KEPT) {
  test(`kept and sent again: ${name}`, () => {
    const { phone, run } = afterStart([reply]);
    trackMany(run, 3);
    phone.settle(30_000);

    assert.equal(phone.collector.requests.length, 2);
    assert.deepEqual(delivered(phone), [0, 1, 2]);
    const [first, second] = phone.collector.requests;
    assert.deepEqual(second!.body['events'], first!.body['events'], 'the same events, byte for byte');
    assert.ok(second!.body['sent_at'] > first!.body['sent_at']);
  });
}

for (const status of [400, 401, 403, 404, 405, 411, 415]) {
  test(`dropped and counted: ${status}`, () => {
    const { phone, run } = afterStart([{ status }]);
    trackMany(run, 3);
    phone.settle();
    trackMany(run, 1);
    phone.settle(12_000);

    assert.deepEqual(delivered(phone), [0]);
    assert.deepEqual(phone.collector.find('sdk_events_dropped')['properties'], { refused: 3, count: 3 });
    assert.deepEqual(stats(run).dropped, { refused: 3 });
  });
}

test('422: every event was refused, none is sent again', () => {
  const { phone, run } = afterStart([
    { status: 422, body: { error: 'all_events_rejected', message: '', request_id: 'r' } },
  ]);
  trackMany(run, 3);
  phone.settle(60_000);

  assert.equal(phone.collector.requests.length, 1);
  assert.deepEqual(stats(run), { queued: 0, delivered: 0, rejected: 3, dropped: {} });
});

test('200 with refused events: all leave the queue, the refused ones are named to debug', () => {
  const lines: unknown[][] = [];
  const errors = [{ index: 1, event_id: 'x', code: 'invalid_type', path: '$.events[1].properties', message: 'x' }];
  const { phone, run } = afterStart(
    [{ status: 200, body: { request_id: 'r', accepted: 2, duplicates: 0, rejected: 1, errors } }],
    { debug: (...line: unknown[]) => lines.push(line) },
  );
  trackMany(run, 3);
  phone.settle(60_000);

  assert.equal(phone.collector.requests.length, 1);
  assert.equal(stats(run).rejected, 1);
  assert.equal(
    JSON.stringify(lines.find(([message]) => message === 'delivered 2, refused 1')?.[1]),
    JSON.stringify(errors),
  );
});

test('413: the batch is halved until it fits, nothing is lost', () => {
  const { phone, run } = afterStart([]);
  const success = phone.collector.reply;
  phone.collector.reply = (body, index) => (body['events'].length > 3 ? { status: 413 } : success(body, index));
  trackMany(run, 10);
  phone.settle(20_000);

  assert.deepEqual(delivered(phone), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('413 for a single event: it is dropped, the next ones are sent', () => {
  const { phone, run } = afterStart([]);
  const success = phone.collector.reply;
  phone.collector.reply = (body, index) =>
    body['events'].some((event: Json) => event['properties']?.['i'] === 1) ? { status: 413 } : success(body, index);
  trackMany(run, 4);
  phone.settle(20_000);

  assert.deepEqual(delivered(phone), [0, 2, 3]);
  assert.deepEqual(stats(run).dropped, { refused: 1 });
});

test('a full batch is sent at once, a small one within the flush interval', () => {
  const { phone, run } = afterStart([], { batchSize: 5 });
  trackMany(run, 4);
  phone.clock.advance(4_900);
  assert.equal(phone.collector.requests.length, 0);
  run.sdk.track('buy', { i: 4 });
  phone.clock.advance(1);

  assert.equal(phone.collector.requests.length, 1);
});

test('a backlog goes out in requests of at most 50, one at a time, in order', () => {
  const { phone, run } = afterStart(Array(3).fill('refused'));
  trackMany(run, 220);
  phone.settle(60_000);

  const sizes = phone.collector.requests.map((request) => request.body['events'].length);
  assert.ok(Math.max(...sizes) <= 50);
  assert.equal(phone.collector.maxInFlight, 1);
  assert.deepEqual(
    delivered(phone),
    Array.from({ length: 220 }, (_, i) => i),
  );
});

test('a hide sends at once beside a request that is under way: two slots at most', () => {
  const { phone, run } = afterStart(['silent']);
  trackMany(run, 30);
  phone.clock.advance(10);
  assert.equal(phone.collector.inFlight, 1);
  trackMany(run, 5);
  const before = phone.clock.now;
  run.hide();

  assert.equal(phone.collector.maxInFlight, 2);
  assert.equal(phone.collector.requests[1]!.at, before, 'within the 5 seconds that are left');
});

test('own backoff grows, is random, is bounded by 5 minutes and ends with a success', () => {
  const { phone, run } = afterStart(Array(14).fill('refused'));
  trackMany(run, 1);
  phone.settle(3_600_000);
  const times = phone.collector.requests.map((request) => request.at);
  const gaps = times.slice(1).map((at, i) => at - times[i]! - phone.latencyMs);

  assert.equal(phone.collector.requests.length, 15);
  gaps.forEach((gap, i) => {
    const ceiling = Math.min(1_000 * 2 ** i, 300_000);
    assert.ok(gap >= ceiling / 2 - 1 && gap <= ceiling + 1, `gap ${i}: ${gap} of ${ceiling}`);
  });
});

test('Retry-After: any case, text or list, at least a second, at most an hour', () => {
  const cases: [Json, number, number][] = [
    [{ 'retry-after': '7' }, 7_000, 7_800],
    [{ 'RETRY-AFTER': ['7'] }, 7_000, 7_800],
    [{ 'Retry-After': 7 }, 7_000, 7_800],
    [{ 'Retry-After': '0' }, 1_000, 1_200],
    [{ 'Retry-After': '999999' }, 3_600_000, 3_960_100],
    [{ 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 500, 1_100],
  ];
  for (const [headers, least, most] of cases) {
    const { phone, run } = afterStart([{ status: 503, headers }]);
    trackMany(run, 1);
    phone.settle(2 * 3_600_000);
    const [first, second] = phone.collector.requests;
    const gap = second!.at - first!.at - phone.latencyMs;
    assert.ok(gap >= least && gap <= most, `${JSON.stringify(headers)}: ${gap}`);
  }
});

test('flush passes over the own backoff', () => {
  const { phone, run } = afterStart(Array(20).fill('refused'));
  trackMany(run, 1);
  phone.settle(100_000);
  const before = phone.collector.requests.length;
  run.sdk.flush();
  phone.clock.advance(1);

  assert.equal(phone.collector.requests.length, before + 1);
});

test('coming online ends the own backoff within about a second', () => {
  const { phone, run } = afterStart([]);
  run.setNetwork(false);
  trackMany(run, 2);
  phone.settle(20_000);
  assert.equal(phone.collector.requests.length, 0, 'nothing is tried while offline');
  run.setNetwork(true);
  phone.clock.advance(1_100);

  assert.deepEqual(delivered(phone), [0, 1]);
});

test('a host that never says "online" again is tried after a minute', () => {
  const { phone, run } = afterStart([]);
  run.setNetwork(false);
  phone.isOnline = true;
  trackMany(run, 1);
  phone.settle(70_000);

  assert.deepEqual(delivered(phone), [0]);
});

test('a clock set back does not stop the sending for long', () => {
  const { phone, run } = afterStart(['refused']);
  trackMany(run, 1);
  phone.clock.advance(5_100);
  phone.clock.jump(-86_400_000);
  trackMany(run, 1);
  phone.settle(30_000);

  assert.deepEqual(delivered(phone), [0, 0]);
});

test("a clock set back while a request is under way leaves the server's Retry-After as it is", () => {
  const { phone, run, times } = afterStart([{ status: 503, headers: { 'Retry-After': '60' }, delayMs: 2_000 }]);
  trackMany(run, 1);
  phone.clock.advance(5_100);
  phone.clock.jump(-3_600_000);
  phone.settle(120_000);

  assert.deepEqual(delivered(phone), [0]);
  const [first, second] = times();
  assert.ok(second! - first! + 3_600_000 >= 60_000, `${second! - first!}`);
});

test('a kill while a request is under way: sent again with the same ids, so it counts once', () => {
  const { phone, run } = afterStart([{ status: 200, body: { accepted: 3 }, delayMs: 60_000 }]);
  trackMany(run, 3);
  phone.clock.advance(5_100);
  run.kill();
  phone.start({ autoTrack: false });
  phone.settle(12_000);

  assert.equal(phone.collector.stored.length, 6);
  assert.deepEqual(delivered(phone), [0, 1, 2]);
});

test("the oldest events are dropped beyond the queue's bound, and the loss is told once", () => {
  const { phone, run } = afterStart(Array(3).fill('refused'), { maxQueueEvents: 100 });
  trackMany(run, 130);
  phone.settle(120_000);

  assert.deepEqual(
    delivered(phone),
    Array.from({ length: 100 }, (_, i) => i + 30),
  );
  assert.deepEqual(
    phone.collector.events
      .filter((event) => event['event'] === 'sdk_events_dropped')
      .map((event) => event['properties']),
    [{ queue_full: 30, count: 30 }],
  );
});
