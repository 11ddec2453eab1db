import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSessionKeeper, type SessionKeeper } from '../src/session';

const MINUTE = 60_000;
const values = (): {
  map: Map<string, string>;
  read(key: string): string | undefined;
  write(key: string, value: string): boolean;
  remove(key: string): void;
} => {
  const map = new Map<string, string>();
  return {
    map,
    read: (key) => map.get(key),
    write: (key, value) => !!map.set(key, value),
    remove: (key) => void map.delete(key),
  };
};
const keeper = (storage = values(), now = 0): SessionKeeper => createSessionKeeper(storage, 's', 30 * MINUTE, now);

test('seq counts up from 1 within a session', () => {
  const sessions = keeper();

  assert.deepEqual(
    [1, 2, 3].map((at) => sessions.next(at).seq),
    [1, 2, 3],
  );
});

test('a silence of the timeout ends a session, one millisecond less does not', () => {
  const sessions = keeper();
  const { id } = sessions.next(0);

  assert.equal(sessions.next(30 * MINUTE - 1).id, id);
  const next = sessions.next(60 * MINUTE - 1);
  assert.notEqual(next.id, id);
  assert.equal(next.seq, 1);
});

test('a closing event belongs to what it closes, however long that took', () => {
  const sessions = keeper();
  const { id } = sessions.next(0);

  assert.equal(sessions.next(90 * MINUTE, true).id, id);
});

test('a clock set back does not end a session', () => {
  const sessions = keeper();
  const { id } = sessions.next(1e9);

  assert.equal(sessions.next(5).id, id);
});

test('a new session forgets the card and the campaign of the old one', () => {
  const sessions = keeper();
  sessions.next(0);
  sessions.addOrigin({ shareId: 'c', depth: 2, utm: { source: 'x' } });
  sessions.next(31 * MINUTE);

  assert.deepEqual(sessions.session.origin, {});
});

test('a restart within the timeout goes on with session, card, ids and super properties', () => {
  const storage = values();
  const first = keeper(storage);
  first.next(0);
  first.addOrigin({ shareId: 'c', depth: 2 });
  first.setIds({ userId: 'u1', openid: 'o1' });
  first.setSuperProperties({ plan: 'gold' });
  first.persist();
  const second = keeper(storage, 29 * MINUTE);
  second.restore(29 * MINUTE);

  assert.deepEqual(second.next(29 * MINUTE), { id: first.session.id, seq: 2 });
  assert.deepEqual(second.session.origin, { shareId: 'c', depth: 2 });
  assert.equal(JSON.stringify(second.identity), JSON.stringify(first.identity));
  assert.deepEqual(second.superProperties, { plan: 'gold' });
});

test('a restart after the timeout keeps the person and begins a session', () => {
  const storage = values();
  const first = keeper(storage);
  first.next(0);
  first.persist();
  const second = keeper(storage, 31 * MINUTE);
  second.restore(31 * MINUTE);

  assert.equal(second.identity.anonymousId, first.identity.anonymousId);
  assert.notEqual(second.session.id, first.session.id);
});

for (const stored of [
  '',
  'nonsense',
  '{}',
  '{"person":{}}',
  '{"person":{"identity":{"anonymousId":""}}}',
  '{"session":{"id":5}}',
  'null',
]) {
  test(`a corrupt record (${stored || 'empty'}) gives new ids`, () => {
    const storage = values();
    storage.map.set('s', stored);
    const sessions = keeper(storage);
    sessions.restore(0);

    assert.match(sessions.identity.anonymousId, /^[0-9a-z]{24}$/);
    assert.equal(sessions.next(0).seq, 1);
  });
}

test('setIds tells whether something is new and ignores what is no id', () => {
  const sessions = keeper();
  const before = sessions.identity;

  assert.equal(sessions.setIds({ userId: 'x'.repeat(200), openid: '' }), false);
  assert.equal(sessions.identity, before);
  assert.equal(sessions.setIds({ userId: 'u1' }), true);
  assert.equal(sessions.setIds({ userId: 'u1' }), false);
  assert.equal(sessions.identity.userId, 'u1');
});

test('reset makes another person', () => {
  const sessions = keeper();
  sessions.setIds({ userId: 'u1' });
  sessions.setSuperProperties({ plan: 'gold' });
  const { anonymousId } = sessions.identity;
  const { id } = sessions.session;
  sessions.reset();

  assert.notEqual(sessions.identity.anonymousId, anonymousId);
  assert.notEqual(sessions.session.id, id);
  assert.equal(sessions.identity.userId, undefined);
  assert.deepEqual(sessions.superProperties, {});
});
