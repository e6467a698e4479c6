/**
 * Bundles the app in the current folder to files that need nothing but Node:
 * `src/main.ts` to `dist/main.mjs`, and each worker thread or child the app starts to a file beside it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { bundlePage } from './bundle-page.ts';

const app = process.cwd();
const root = join(import.meta.dirname, '..');

/** Worker threads and children by app: name of the bundled file, and the source it is made of. */
const workers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  api: { voter: join(root, 'libs/raft/src/service/voter.ts') },
  dns: { bind: join(root, 'apps/dns/src/sockets/bind.ts') },
};

/** Apps that serve a page to browsers, and the package it is made of. */
const pages: Readonly<Record<string, string>> = { api: join(root, 'apps/dashboard') };

// Dependencies in CommonJS call require(), which a module does not have of itself.
const banner =
  "import { createRequire as shoalCreateRequire } from 'node:module'; const require = shoalCreateRequire(import.meta.url);";

/** dockerode brings an SSH client with native parts along; engines are reached by socket or TCP only. */
const withoutSsh: Plugin = {
  name: 'without-ssh',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^ssh2$/ }, () => ({ path: 'ssh2', namespace: 'left-out' }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({
      contents: "exports.Client = class { constructor() { throw new Error('no SSH here'); } };",
    }));
  },
};

/** zod brings its messages in forty languages along; ours are English. */
const inEnglish: Plugin = {
  name: 'in-english',
  setup({ onLoad }) {
    onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: dirname(path),
    }));
  },
};

const entryPoints: Record<string, string> = {
  main: join(app, 'src/main.ts'),
  ...workers[basename(app)],
};
for (const [name, path] of Object.entries(entryPoints)) {
  if (existsSync(path)) continue;
  console.error(
    `bundle: ${name} of ${basename(app)} should be made of ${path}, which is not there`,
  );
  process.exit(1);
}

await build({
  entryPoints,
  outdir: join(app, 'dist'),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  conditions: ['@shoal/source'],
  plugins: [withoutSsh, inEnglish],
  banner: { js: banner },
  sourcemap: true,
  keepNames: true,
  // Without comments and indentation: V8 keeps the text of a program in memory as long as it runs.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 120,
  logLevel: 'warning',
});

const page = pages[basename(app)];
if (page !== undefined) await bundlePage(page, join(app, 'dist/page.mjs'), [inEnglish]);

// One character that is none of Latin-1, and V8 keeps all of the text with two bytes a character.
for (const name of Object.keys(entryPoints)) {
  const file = join(app, 'dist', `${name}.mjs`);
  const [strange] = /[^\0-\xff].*/.exec(readFileSync(file, 'utf8')) ?? [];
  if (strange === undefined) continue;
  const where = strange.slice(0, 60);
  console.error(
    `bundle: ${file} has a character that is none of Latin-1, write it as \\u…: ${where}`,
  );
  process.exit(1);
}
