/** Bundles test/*.test.ts to .build/test and runs them with Node's test runner. `--test-name-pattern` and the like are passed on. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}.build/test`, { recursive: true, force: true });
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const files = readdirSync(`${root}test`).filter((name) => name.endsWith('.test.ts'));
await build({
  absWorkingDir: root,
  entryPoints: files.map((name) => `test/${name}`),
  outdir: '.build/test',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  define: { __PLATFORM__: '"all"', __VERSION__: JSON.stringify(version) },
});
// The runtime of Taro as its own build makes it for WeChat, as one script for a stub host's context.
const off = [
  'ENABLE_INNER_HTML',
  'ENABLE_ADJACENT_HTML',
  'ENABLE_SIZE_APIS',
  'ENABLE_TEMPLATE_CONTENT',
  'ENABLE_CLONE_NODE',
  'ENABLE_CONTAINS',
  'ENABLE_MUTATION_OBSERVER',
];
await build({
  absWorkingDir: root,
  stdin: {
    contents: "export { createPageConfig, injectPageInstance, Current, document } from '@tarojs/runtime';",
    resolveDir: root,
  },
  outfile: '.build/test/taro_runtime.js',
  bundle: true,
  format: 'iife',
  globalName: 'taro',
  platform: 'browser',
  define: {
    ...Object.fromEntries(off.map((name) => [name, 'false'])),
    'process.env.TARO_ENV': '"weapp"',
    'process.env.TARO_PLATFORM': '"mini"',
    'process.env.SUPPORT_TARO_POLYFILL': '"disabled"',
    'process.env.FRAMEWORK': '"react"',
    'process.env.NODE_ENV': '"production"',
  },
});
const { status } = spawnSync(
  process.execPath,
  [
    '--enable-source-maps',
    ...process.argv.slice(2),
    '--test',
    '--test-concurrency=2',
    ...files.map((name) => `${root}.build/test/${name.replace(/ts$/, 'mjs')}`),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
