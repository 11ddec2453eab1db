import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addToPath, decorateShare, newCard, readShareParam, sharePathOf, stripPath } from '../src/share';

const card = { shareId: 'abcdef123456ab', depth: 2 };
const PARAM = '_st=abcdef123456ab.2';

test('the parameter goes into a path wherever its query and hash are, and replaces an older one', () => {
  const cases: [string, string][] = [
    ['pages/a', `pages/a?${PARAM}`],
    ['/pages/a?id=1', `/pages/a?id=1&${PARAM}`],
    ['pages/a#top', `pages/a?${PARAM}#top`],
    ['pages/a?id=1#top', `pages/a?id=1&${PARAM}#top`],
    ['pages/a?_st=zzzzzzzz.1&id=1', `pages/a?id=1&${PARAM}`],
    ['pages/a?name=%E4%BD%A0&t=你', `pages/a?name=%E4%BD%A0&t=你&${PARAM}`],
    ['pages/a?url=b?c=1', `pages/a?url=b?c=1&${PARAM}`],
  ];
  for (const [path, expected] of cases) {
    assert.equal(addToPath(path, card), expected);
    assert.equal(stripPath(expected), stripPath(path));
  }
});

test('the parameter is read back; a damaged or foreign one is not', () => {
  assert.deepEqual(readShareParam('abcdef123456ab.2'), card);
  for (const bad of [
    undefined,
    '',
    'abc',
    'abcdef123456ab',
    'abcdef123456ab.x',
    'abcdef123456ab.-1',
    '{"i":"x"}',
    'a.b.c',
  ])
    assert.equal(readShareParam(bad), undefined);
});

test('depth grows from 1 along the chain, and no id of a person is in the parameter', () => {
  const first = newCard(undefined);
  const second = newCard(first.depth);

  assert.equal(first.depth, 1);
  assert.equal(second.depth, 2);
  assert.match(first.shareId, /^[0-9a-z]{14}$/);
});

test('an object keeps all its fields; only the path changes; the original is not touched', () => {
  const given = Object.freeze({ title: 't', path: 'p?x=1', imageUrl: 'i', desc: 'd', templateId: 7 });

  assert.deepEqual(decorateShare(given, 'path', 'own', card), {
    title: 't',
    path: `p?x=1&${PARAM}`,
    imageUrl: 'i',
    desc: 'd',
    templateId: 7,
  });
});

test('no return value, or none with a path, shares the page itself, as the host would', () => {
  assert.deepEqual(decorateShare(undefined, 'path', 'pages/a?id=1', card), { path: `pages/a?id=1&${PARAM}` });
  assert.deepEqual(decorateShare({ title: 't' }, 'path', 'pages/a', card), { title: 't', path: `pages/a?${PARAM}` });
  assert.equal(decorateShare(undefined, 'path', '', card), undefined);
});

test('what is neither an object nor nothing is returned as it is', () => {
  for (const odd of [false, 0, 'text']) assert.equal(decorateShare(odd, 'path', 'own', card), odd);
});

test('timeline and favourites get the parameter in their query', () => {
  assert.deepEqual(decorateShare({ title: 't', query: 'a=1' }, 'query', 'own=1', card), {
    title: 't',
    query: `a=1&${PARAM}`,
  });
  assert.deepEqual(decorateShare(undefined, 'query', '_st=zzzzzzzz.1&id=1', card), { query: `id=1&${PARAM}` });
  assert.deepEqual(decorateShare({}, 'query', '', card), { query: PARAM });
});

test('an async handler stays async, and its rejection stays its own', async () => {
  assert.deepEqual(await decorateShare(Promise.resolve({ title: 't', path: 'p' }), 'path', 'own', card), {
    title: 't',
    path: `p?${PARAM}`,
  });
  await assert.rejects(
    decorateShare(Promise.reject(new Error('theirs')), 'path', 'own', card) as Promise<unknown>,
    /theirs/,
  );
});

test('an object with a promise field: default and late value both lead to the same card', async () => {
  const result = decorateShare(
    { title: 'default', promise: Promise.resolve({ title: 'late', path: 'late' }) },
    'path',
    'own',
    card,
  ) as { title: string; path: string; promise: Promise<unknown> };

  assert.equal(result.title, 'default');
  assert.equal(result.path, `own?${PARAM}`);
  assert.deepEqual(await result.promise, { title: 'late', path: `late?${PARAM}` });
});

test("the recorded path is the developer's, without the parameter", () => {
  assert.equal(sharePathOf({ path: '/p?x=1' }, 'own'), '/p?x=1');
  assert.equal(sharePathOf(Promise.resolve({}), 'own?_st=zzzzzzzz.1'), 'own');
});
