/** Bundles a page for browsers: `src/page.html` with what it is made of, as a module that a server imports. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** Writes `export const page = { '/': { mediaType, body }, … }` to `file`. */
export async function bundlePage(
  folder: string,
  file: string,
  plugins: readonly Plugin[],
): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'src/page.tsx'), join(folder, 'src/page.css')],
    outdir: 'page',
    write: false,
    bundle: true,
    platform: 'browser',
    target: ['chrome120', 'firefox121', 'safari17'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    conditions: ['@shoal/source'],
    plugins: [...plugins],
    minify: true,
    charset: 'ascii',
    logLevel: 'warning',
  });
  const made = (ending: string): string =>
    outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  const html = readFileSync(join(folder, 'src/page.html'), 'utf8');
  const page = {
    '/': { mediaType: 'text/html; charset=utf-8', body: html },
    '/page.js': { mediaType: 'text/javascript; charset=utf-8', body: made('.js') },
    '/page.css': { mediaType: 'text/css; charset=utf-8', body: made('.css') },
  };
  writeFileSync(file, `export const page = ${JSON.stringify(page)};\n`);
}
