/** Bundles test/*.test.ts to .build/test and runs them with Node's test runner. `--test-name-pattern` and the like are passed on. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
rmSync(`${root}.build/test`, { recursive: true, force: true });
const { version } = JSON.parse((await import('node:fs')).readFileSync(`${root}package.json`, 'utf8'));
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
const { status } = spawnSync(process.execPath, ['--enable-source-maps', ...process.argv.slice(2), '--test', '--test-concurrency=2', `${root}.build/test/`], { stdio: 'inherit' });
process.exit(status ?? 1);
