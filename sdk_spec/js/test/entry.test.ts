import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinQuery, readEntry, readQuery } from '../src/entry';

const entry = (options?: object) => readEntry(options, () => undefined);

test('launch options complete: scene, path, query, referrer, ticket, chat type, category', () => {
  const read = entry({
    path: '/pages/a',
    query: { id: '1' },
    scene: 1044,
    shareTicket: 'ticket',
    chatType: 3,
    apiCategory: 'default',
    referrerInfo: { appId: 'wx2', extraData: { secret: 1 } },
  });

  assert.deepEqual(read.common, { scene: 1044, referrerAppId: 'wx2', chatType: 3 });
  assert.deepEqual(read.fields, { page: 'pages/a', pageQuery: 'id=1', shareTicket: 'ticket' });
  assert.deepEqual(read.properties, { api_category: 'default' });
});

test('every field may be missing, empty or of another type', () => {
  for (const options of [
    undefined,
    {},
    { query: undefined, referrerInfo: {} },
    { query: null, scene: null, referrerInfo: null },
    { query: '', scene: '' },
  ]) {
    const read = entry(options);
    assert.equal(read.common.referrerAppId, undefined);
    assert.equal(read.common.chatType, undefined);
    assert.equal(read.card, undefined);
    assert.equal(read.utm, undefined);
  }
});

test('scenes keep their form on every platform', () => {
  for (const scene of [1001, '0000', '021001', '11700000', '011009', 'applets_share_back'])
    assert.equal(entry({ scene }).common.scene, scene);
});

test('both spellings of the referrer are read', () => {
  assert.equal(entry({ refererInfo: { appId: 'tt2' } }).common.referrerAppId, 'tt2');
});

test('a mini-program code: its scene is decoded, and campaign and card are found in it', () => {
  const read = entry({ query: { scene: encodeURIComponent('id=9&utm_source=poster&_st=abcdef123456ab.3') } });

  assert.equal(read.properties['qr_scene'], 'id=9&utm_source=poster&_st=abcdef123456ab.3');
  assert.deepEqual(read.utm, { source: 'poster' });
  assert.deepEqual(read.card, { shareId: 'abcdef123456ab', depth: 3 });
});

test('an ordinary QR code: its link is decoded, and campaign is found in it', () => {
  const read = entry({
    query: {
      q: encodeURIComponent('https://a.example/t?utm_medium=table&utm_campaign=%E5%A4%8F#x'),
      scancode_time: '1',
    },
  });

  assert.equal(read.properties['qr_url'], 'https://a.example/t?utm_medium=table&utm_campaign=%E5%A4%8F#x');
  assert.deepEqual(read.utm, { medium: 'table', campaign: '夏' });
});

test('a badly encoded query is taken as it is', () => {
  assert.equal(entry({ query: { scene: '100%' } }).properties['qr_scene'], '100%');
  assert.deepEqual(entry({ query: { utm_source: '50%off' } }).utm, { source: '50%off' });
});

test('a query is joined as it stood, without the share parameter, with what would end a value encoded', () => {
  assert.equal(
    joinQuery({ id: '1', _st: 'abcdef123456ab.1', name: '%E4%BD%A0', t: '你', u: 'a=b&c d' }),
    'id=1&name=%E4%BD%A0&t=你&u=a%3Db%26c%20d',
  );
  assert.deepEqual(readQuery('a=1&b=%E4%BD%A0'), { a: '1', b: '你' });
  assert.deepEqual(readQuery({ n: 5, x: undefined }), { n: '5' });
});
