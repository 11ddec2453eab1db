/** What the pages say against what the code has. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
// @ts-expect-error plain JavaScript, so that other SDKs can use it
import { loadVectors } from '../../lifecycle_vectors/runner.mjs';
import { Phone } from './stub_host';

const ROOT = new URL('../../', import.meta.url);
const VECTORS = new URL('../lifecycle_vectors/', ROOT);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

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
