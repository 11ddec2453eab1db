/** What the pages say against what the code has. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { Ajv2020 } from 'ajv/dist/2020.js';
// @ts-expect-error plain JavaScript, so that other SDKs can use it
import { loadVectors } from '../../lifecycle_vectors/runner.mjs';
import { Phone } from './stub_host';

const ROOT = new URL('../../', import.meta.url);
const VECTORS = new URL('../lifecycle_vectors/', ROOT);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

for (const heading of ['## Getting started', '## 快速开始']) {
  test(`${heading}: followed word by word, it works`, () => {
    const section = read('README.md').split(heading)[1]!.split(/^## /m)[0]!;
    const [, build] = /```sh\n(.*?)\s+#/.exec(section)!;
    assert.equal(build, 'npm ci && npm run build');
    for (const name of ['wechat', 'alipay', 'douyin', 'baidu', 'qq', 'kuaishou', 'jd', 'xiaohongshu', 'index'])
      for (const end of ['js', 'mjs']) assert.ok(existsSync(new URL(`dist/${name}.${end}`, ROOT)), `${name}.${end}`);
    const [setup, calls] = [...section.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1]!);

    const phone = new Phone();
    const run = phone.boot();
    const require = (path: string): unknown => {
      assert.equal(path, './lib/scenetrail.js');
      return run.sdk;
    };
    // The app's own part of app.js: the block comes before it.
    const app = `${setup}\nApp({ onLaunch() { const [openid, userId] = ['o1', 'u1']; ${calls} } });`;
    vm.compileFunction(app, ['require'], { parsingContext: run.context as vm.Context })(require);
    run.registerPages();
    run.launch();
    run.open('pages/home/index');
    phone.settle();

    assert.deepEqual(phone.collector.names(), ['app_launch', 'order_pay', 'identify', 'app_show', 'page_view']);
    const [request] = phone.collector.requests;
    assert.equal(request!.url, 'https://track.example.com/v1/events');
    assert.equal(phone.collector.find('order_pay')['properties']['amount'], 28);
    assert.deepEqual(
      ['openid', 'user_id'].map((name) => phone.collector.find('identify')[name]),
      ['o1', 'u1'],
    );
  });
}

test('README names every function of the API', () => {
  const api = read('README.md').split('## API')[1]!;
  for (const name of Object.keys(new Phone().boot().sdk)) assert.match(api, new RegExp(`\`${name}\\b`), name);
});

test('README names every option, and no other', () => {
  const options = /export interface Options \{([\s\S]*?)\n\}/.exec(read('src/types.ts'))![1]!;
  const inCode = [...options.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1]);
  const table = read('README.md').split('## Options')[1]!.split('## API')[0]!;
  const inTable = [...table.matchAll(/^\| `(\w+)`/gm)].map((match) => match[1]);

  assert.deepEqual(inTable.sort(), inCode.sort());
});

for (const page of ['README.md', 'WRITE_YOUR_OWN.md', 'example/wechat/README.md', '../lifecycle_vectors/README.md']) {
  test(`links of ${page} resolve`, () => {
    for (const [, target] of read(page).matchAll(/\]\(([^)#]+)\)/g)) {
      assert.ok(existsSync(new URL(target!, new URL(page, ROOT))), target);
    }
  });
}

test('every vector follows its schema, and every step is explained', () => {
  const schema = JSON.parse(readFileSync(new URL('vector.schema.json', VECTORS), 'utf8'));
  const validate = new Ajv2020({ strict: false }).compile(schema);
  for (const { name, vector } of loadVectors(VECTORS))
    assert.ok(validate(vector), `${name}: ${JSON.stringify(validate.errors)}`);
  const readme = readFileSync(new URL('README.md', VECTORS), 'utf8');
  for (const step of schema.properties.steps.items.properties.do.enum) assert.ok(readme.includes(`\`${step}\``), step);
});

test('the build carries the version of package.json', () => {
  const { version } = JSON.parse(read('package.json'));
  assert.ok(read('dist/wechat.js').includes(version));
});
