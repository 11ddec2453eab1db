import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEventStore, type Context, type EventStore } from '../src/event_store';

class MemoryStorage {
  values = new Map<string, string>();
  writes = 0;
  /** Longest value it takes, in characters. */
  maxChars = Infinity;
  read = (key: string): string | undefined => this.values.get(key);
  remove = (key: string): void => void this.values.delete(key);
  write = (key: string, value: string): boolean => {
    this.writes++;
    if (value.length > this.maxChars) return false;
    this.values.set(key, value);
    return true;
  };
}

const context: Context = { text: () => '"anonymous_id":"a"' };
const event = (id: number): string => `{"event_id":"${id}","event":"x","occurred_at":${id + 1}}`;
const ids = (events: { json: string }[]): number[] => events.map(({ json }) => Number(JSON.parse(json)['event_id']));

function storeWith(count: number, storage = new MemoryStorage(), maxEvents = 100): EventStore {
  const store = createEventStore(storage, 'q', maxEvents, () => undefined);
  for (let i = 0; i < count; i++) store.add(event(i), context);
  return store;
}

test('what is persisted comes back in order, with its context, before what is new', () => {
  const storage = new MemoryStorage();
  storeWith(3, storage).persist();
  const next = createEventStore(storage, 'q', 100, () => undefined);
  next.add(event(9), { text: () => '"anonymous_id":"b"' });
  next.restore();

  const first = next.peek(50, 10_000);
  assert.deepEqual(ids(first), [0, 1, 2]);
  assert.equal(first[0]!.context.text(), '"anonymous_id":"a"');
  assert.equal(next.size, 4);
});

test('a batch never mixes contexts, and leaves out what is being sent', () => {
  const store = storeWith(2);
  store.add(event(2), { text: () => '"anonymous_id":"b"' });
  const batch = store.peek(50, 10_000);
  for (const item of batch) item.isSending = true;

  assert.deepEqual(ids(batch), [0, 1]);
  assert.deepEqual(ids(store.peek(50, 10_000)), [2]);
});

test('a batch is bounded by events and characters, and has at least one event', () => {
  const store = storeWith(10);

  assert.equal(store.peek(4, 10_000).length, 4);
  assert.equal(store.peek(50, 110).length, 2);
  assert.equal(store.peek(50, 1).length, 1);
});

test('beyond the bound the oldest go, those being sent last, and each is counted', () => {
  const store = storeWith(5, new MemoryStorage(), 5);
  store.peek(2, 10_000).forEach((item) => (item.isSending = true));
  store.add(event(5), context);
  store.add(event(6), context);

  assert.deepEqual(ids(store.peek(50, 10_000)), [4, 5, 6]);
  assert.equal(store.size, 5);
  assert.deepEqual(store.takeDrops(), { queue_full: 2 });
  assert.deepEqual(store.takeDrops(), {});
  assert.deepEqual(store.dropTotals, { queue_full: 2 });
});

test('the queue is bounded in characters too: a key of storage holds about 200 KB', () => {
  const store = createEventStore(new MemoryStorage(), 'q', 10_000, () => undefined);
  for (let i = 0; i < 100; i++) store.add(JSON.stringify({ event_id: `${i}`, pad: 'x'.repeat(4_000) }), context);

  assert.ok(store.size * 4_000 <= 150_000);
  assert.ok(store.dropTotals['queue_full']! > 50);
});

test('a full storage keeps the newest that fit; memory keeps all', () => {
  const storage = new MemoryStorage();
  storage.maxChars = 900;
  const store = storeWith(20, storage);
  store.persist();
  const restored = createEventStore(storage, 'q', 100, () => undefined);
  restored.restore();

  assert.equal(store.size, 20);
  assert.deepEqual(ids(restored.peek(50, 10_000)), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
});

test('a storage that takes nothing is tried again by the next persist', () => {
  const storage = new MemoryStorage();
  storage.maxChars = 0;
  const store = storeWith(1, storage);
  store.persist();
  storage.maxChars = Infinity;
  store.persist();

  assert.equal(storage.values.size, 1);
});

test('persist writes only what changed, and an empty queue leaves no key', () => {
  const storage = new MemoryStorage();
  const store = storeWith(1, storage);
  store.persist();
  store.persist();
  assert.equal(storage.writes, 1);
  store.remove(store.peek(1, 1));
  store.persist();

  assert.equal(storage.values.size, 0);
});

const CORRUPT: Record<string, string> = {
  'cut text': '{"v":1,"contexts":[{"anonymous_id":"a"}],"events":[[0,{"event_id":"1","ev',
  'another type': '42',
  'an unknown version': '{"v":2,"contexts":[],"events":[]}',
  'no lists': '{"v":1}',
};
for (const [name, stored] of Object.entries(CORRUPT)) {
  test(`corrupt storage (${name}) is counted once and costs only itself`, () => {
    const storage = new MemoryStorage();
    storage.values.set('q', stored);
    const store = storeWith(1, storage);
    store.restore();

    assert.deepEqual(ids(store.peek(5, 1_000)), [0]);
    assert.deepEqual(store.dropTotals, { storage_corrupt: 1 });
  });
}

test('one corrupt entry does not cost its neighbours', () => {
  const storage = new MemoryStorage();
  storage.values.set(
    'q',
    `{"v":1,"contexts":[{"anonymous_id":"a"}],"events":[[0,${event(1)}],[7,${event(2)}],null,[0,{"event":"x"}],[0,${event(3)}]]}`,
  );
  const store = createEventStore(storage, 'q', 100, () => undefined);
  store.restore();

  assert.deepEqual(ids(store.peek(5, 1_000)), [1, 3]);
  assert.deepEqual(store.dropTotals, { storage_corrupt: 3 });
});

test('drops that were not reported survive a kill', () => {
  const storage = new MemoryStorage();
  storeWith(7, storage, 5).persist();
  const next = createEventStore(storage, 'q', 5, () => undefined);
  next.restore();

  assert.deepEqual(next.takeDrops(), { queue_full: 2 });
});

test('drops of this run are added to those that an earlier run has not reported', () => {
  const storage = new MemoryStorage();
  storeWith(7, storage, 5).persist();
  const next = storeWith(8, storage, 5);
  next.restore();

  assert.deepEqual(next.takeDrops(), { queue_full: 2 + 3 + 5 });
});

test('clear forgets memory and storage', () => {
  const storage = new MemoryStorage();
  const store = storeWith(3, storage);
  store.persist();
  store.clear();
  store.persist();

  assert.equal(store.size, 0);
  assert.equal(storage.values.size, 0);
});
