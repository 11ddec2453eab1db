/**
 * Strict type checks: the library, its tests, the published declarations, and the platform adapter against the typings
 * that WeChat, Alipay and Douyin publish and those of DefinitelyTyped for Baidu. One compiler run each, because their globals exclude one another.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace(/package\.json$/, 'bin/tsc');

// A consumer's project of its own: from inside the package the compiler would take the sources for the declarations.
const consumer = `${root}.build/consumer`;
rmSync(consumer, { recursive: true, force: true });
mkdirSync(`${consumer}/node_modules/scenetrail-js`, { recursive: true });
cpSync(`${root}dist`, `${consumer}/node_modules/scenetrail-js/dist`, { recursive: true });
copyFileSync(`${root}package.json`, `${consumer}/node_modules/scenetrail-js/package.json`);
for (const name of ['api.ts', 'api_esm.mts', 'tsconfig.api.json'])
  copyFileSync(`${root}test/types/${name}`, `${consumer}/${name}`);

const projects = [
  'tsconfig.json',
  'test/tsconfig.json',
  ...['wechat', 'alipay', 'douyin', 'baidu'].map((name) => `test/types/tsconfig.${name}.json`),
  '.build/consumer/tsconfig.api.json',
];

let failures = 0;
for (const project of projects) {
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project], { cwd: root, encoding: 'utf8' });
  console.log(`tsc -p ${project}: ${status === 0 ? 'ok' : 'failed'}`);
  if (status !== 0) {
    console.log(stdout);
    failures++;
  }
}
process.exit(failures);
