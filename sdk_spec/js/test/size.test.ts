import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { PLATFORM_KEYS } from './stub_host';

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const MAX_BYTES = 8 * 1024;

for (const platform of PLATFORM_KEYS) {
  test(`${platform}: at most 8 KB gzipped, ES module and CommonJS alike`, () => {
    for (const ext of ['js', 'mjs']) {
      const bytes = gzipSync(file(`dist/${platform}.${ext}`), { level: 9 }).length;
      assert.ok(bytes <= MAX_BYTES, `dist/${platform}.${ext}: ${bytes}`);
    }
  });
}

test("a platform's build names no other platform's global", () => {
  const globals: Record<string, RegExp> = {
    wechat: /typeof wx\b/,
    alipay: /typeof my\b/,
    douyin: /typeof tt\b/,
    baidu: /typeof swan\b/,
    qq: /typeof qq\b/,
    kuaishou: /typeof ks\b/,
    jd: /typeof jd\b/,
    xiaohongshu: /typeof xhs\b/,
  };
  for (const platform of PLATFORM_KEYS) {
    const code = file(`dist/${platform}.js`);
    for (const [name, pattern] of Object.entries(globals))
      assert.equal(pattern.test(code), name === platform, `${platform}: ${name}`);
  }
});

test('builds are plain ASCII and use no browser API', () => {
  for (const platform of [...PLATFORM_KEYS, 'index']) {
    const code = file(`dist/${platform}.js`);
    assert.match(code, /^[\x00-\x7f]*$/);
    assert.doesNotMatch(
      code,
      /\b(window|document|fetch|XMLHttpRequest|localStorage|process|Buffer|btoa|atob|TextEncoder|eval)\b/,
    );
  }
});

test("only platform.ts names the platforms' globals", () => {
  for (const name of [
    'client',
    'config',
    'emitter',
    'entry',
    'event_store',
    'hooks',
    'index',
    'lifecycle',
    'payload',
    'random',
    'session',
    'share',
    'types',
  ]) {
    assert.doesNotMatch(
      file(`src/${name}.ts`).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''),
      /\b(wx|my|tt|swan|qq|ks|jd|xhs)\b[.\[]/,
      name,
    );
  }
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(file('package-lock.json'), /"resolved"/);
});

test('there are no runtime dependencies', () => {
  assert.equal(JSON.parse(file('package.json'))['dependencies'], undefined);
});
