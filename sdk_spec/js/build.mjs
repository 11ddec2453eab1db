/**
 * Builds dist/: per platform one CommonJS and one ES module with its type declarations, and the same for all platforms
 * as `index`. Prints the gzipped sizes and fails above the limit.
 *
 * CommonJS is `.js`, because that is what mini-programs `require` from a copied file.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

export const PLATFORMS = ['wechat', 'alipay', 'douyin', 'baidu', 'qq', 'kuaishou', 'jd', 'xiaohongshu'];
/** Bytes, gzip level 9. A mini-program's main package may have 2 MB; a tracker must not be noticed in it. */
export const MAX_PLATFORM_BYTES = 8 * 1024;

/**
 * Names of methods and fields that never leave the bundle, shortened in it: 0.4 KB. A name that is also one of the wire,
 * of storage, of a host or of the public API must not stand here; the tests run the built files and would fail.
 */
const INTERNAL_NAMES = [
  // client, platform
  'isAuto',
  'eventsUrl',
  'launchOptions',
  'enterOptions',
  'sceneMark',
  'wrapRegister',
  'root',
  'account',
  'listen',
  'post',
  'later',
  'host',
  'body',
  'retryAfterMs',
  // store, emitter
  'isSending',
  'context',
  'countDrop',
  'dropTotals',
  'takeDrops',
  'persist',
  'restore',
  'peek',
  'onAdd',
  'flushOnHide',
  'onNetwork',
  'stop',
  'onDelivered',
  'onChange',
  'note',
  'store',
  'stats',
  'json',
  'text',
  'read',
  'write',
  'remove',
  'add',
  'size',
  // session
  'setIds',
  'addOrigin',
  'sessions',
  'setSuperProperties',
  'touch',
  'next',
  'clear',
  // lifecycle, hooks
  'ensureLaunched',
  'makeCard',
  'wantsTap',
  'onTap',
  'onShare',
  'onPageLoad',
  'onPageShow',
  'onPageGone',
  'mark',
  'auto',
  'entry',
  'common',
  'card',
  'fields',
  'start',
];

const root = new URL('.', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

/** esbuild bundles and drops the other platforms' branches, terser makes it 5 % smaller than esbuild alone. */
async function bundle(platform, name) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: ['src/index.ts'],
    bundle: true,
    minifySyntax: true,
    write: false,
    format: 'esm',
    // What the engines of old Android devices run without the developer tools' own transpiler.
    target: 'es2018',
    platform: 'neutral',
    define: { __PLATFORM__: JSON.stringify(platform), __VERSION__: JSON.stringify(version) },
    legalComments: 'none',
  });
  const { code: esm } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2018,
    format: { ascii_only: true },
    mangle: { properties: { regex: new RegExp(`^(${INTERNAL_NAMES.join('|')})$`), keep_quoted: true, builtins: true } },
    // The last four make the text longer and, gzipped, 30 bytes shorter.
    compress: {
      passes: 3,
      unsafe_arrows: true,
      unsafe_methods: true,
      pure_getters: true,
      inline: 0,
      sequences: false,
      hoist_funs: true,
      booleans: false,
    },
  });
  const cjs = toCommonJs(esm);
  writeFileSync(new URL(`dist/${name}.mjs`, root), esm);
  writeFileSync(new URL(`dist/${name}.js`, root), cjs);
  for (const ext of ['d.ts', 'd.mts'])
    writeFileSync(new URL(`dist/${name}.${ext}`, root), "export * from './types/index.js';\n");
  return { name, bytes: cjs.length, gzipBytes: gzipSync(cjs, { level: 9 }).length };
}

/** The bundle has no imports and one export list at its end; a bundler's own wrapper would cost 300 bytes. */
function toCommonJs(esm) {
  const [list, names] = /export\{([^}]*)\};?\s*$/.exec(esm);
  const members = names.split(',').map((entry) => {
    const [local, exported = local] = entry.split(' as ');
    return `${exported}:${local}`;
  });
  return `"use strict";${esm.slice(0, -list.length)}Object.assign(exports,{${members.join(',')}});\n`;
}

async function main() {
  rmSync(new URL('dist', root), { recursive: true, force: true });
  mkdirSync(new URL('dist', root));
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace(/package\.json$/, 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.declarations.json'], { cwd: root, stdio: 'inherit' });
  const sizes = [];
  for (const platform of PLATFORMS) sizes.push(await bundle(platform, platform));
  sizes.push(await bundle('all', 'index'));
  for (const { name, bytes, gzipBytes } of sizes) {
    console.log(`dist/${name}.js`.padEnd(24), `${bytes} bytes`.padStart(12), `${gzipBytes} gzipped`.padStart(14));
  }
  writeFileSync(new URL('dist/sizes.json', root), JSON.stringify(sizes, null, 2) + '\n');
  const tooLarge = sizes.filter(({ name, gzipBytes }) => name !== 'index' && gzipBytes > MAX_PLATFORM_BYTES);
  if (tooLarge.length)
    throw new Error(`over ${MAX_PLATFORM_BYTES} bytes gzipped: ${tooLarge.map(({ name }) => name).join(', ')}`);
}

if (process.argv[1] === fileURLToPath(new URL(import.meta.url))) await main();
