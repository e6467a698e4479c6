/**
 * Style as a check: layers, first pages, names, exports, ambient time and chance, dependencies, generated code, protocols, lock file.
 * Ends with 1 when something is wrong; warnings alone do not.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { type LockPackages, missingEntries } from './complete-lock.ts';
import { checkBreaking } from './tidy/breaking.ts';
import { checkExports } from './tidy/exports.ts';
import { checkLayers, checkManifests, type Manifest } from './tidy/layers.ts';
import { checkReadmes } from './tidy/readmes.ts';
import type { Finding, SourceFile } from './tidy/source.ts';
import { checkStyle } from './tidy/style.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const isIgnored = (path: string): boolean => /(^|\/)(node_modules|dist|out)(\/|$)/.test(path);
const isGenerated = (path: string): boolean => path.includes('/src/gen/');

function sourceFiles(): readonly SourceFile[] {
  return globSync('{apps,libs,e2e,bench,tools}/**/*.{ts,tsx,mts,mjs}', {
    cwd: root,
    exclude: isIgnored,
  })
    .filter((path) => !isIgnored(path))
    .sort()
    .map((path) => ({ path, text: read(path) }));
}

function manifests(): readonly Manifest[] {
  return globSync('{apps/*,libs/*,e2e,bench}/package.json', { cwd: root }).map((path) => {
    const folder = path.slice(0, -'/package.json'.length);
    const parsed = JSON.parse(read(path)) as {
      name: string;
      dependencies?: Readonly<Record<string, string>>;
    };
    const tsconfig = `${folder}/tsconfig.json`;
    const { references = [] } = existsSync(join(root, tsconfig))
      ? (JSON.parse(read(tsconfig)) as { references?: readonly { readonly path: string }[] })
      : {};
    return {
      folder,
      name: parsed.name,
      dependencies: Object.keys(parsed.dependencies ?? {}),
      references: references.map((reference) => normalize(join(folder, reference.path))),
    };
  });
}

function readmes(packages: readonly Manifest[]) {
  return packages
    .filter(({ folder }) => /^(apps|libs)\//.test(folder))
    .map(({ folder }) => {
      const path = `${folder}/README.md`;
      return { folder, text: existsSync(join(root, path)) ? read(path) : undefined };
    });
}

/** Generates the protocol's code once more, elsewhere, and compares. */
function checkGenerated(): readonly Finding[] {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-gen-'));
  try {
    const bin = join(root, 'node_modules/.bin');
    execFileSync(join(bin, 'buf'), ['generate', '--output', scratch], {
      cwd: join(root, 'libs/proto'),
      env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const generated = new Set(globSync('src/gen/**/*.ts', { cwd: scratch }));
    const present = new Set(globSync('src/gen/**/*.ts', { cwd: join(root, 'libs/proto') }));
    return [...new Set([...generated, ...present])].flatMap((path) => {
      const same =
        generated.has(path) &&
        present.has(path) &&
        readFileSync(join(scratch, path), 'utf8') === read(`libs/proto/${path}`);
      const message = 'is not what the .proto files give; run buf generate in libs/proto';
      return same ? [] : [{ path: `libs/proto/${path}`, message }];
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function checkLock(): readonly Finding[] {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: LockPackages };
  const { size } = missingEntries(packages);
  if (size === 0) return [];
  const message = `lacks ${size} platform packages; run node tools/complete-lock.ts`;
  return [{ path: 'package-lock.json', message }];
}

const files = sourceFiles();
const written = files.filter(({ path }) => !isGenerated(path));
const packages = manifests();
const findings = [
  ...checkLayers(written, packages),
  ...checkManifests(files, packages),
  ...checkStyle(written),
  ...checkExports(written),
  ...checkReadmes(readmes(packages)),
  ...checkGenerated(),
  ...checkBreaking(root, 'libs/proto'),
  ...checkLock(),
];
for (const { path, message, warning } of findings) {
  console.log(`${warning === true ? 'warning ' : ''}${path}: ${message}`);
}
const errors = findings.filter(({ warning }) => warning !== true).length;
console.log(
  `tidy: ${written.length} files, ${errors} errors, ${findings.length - errors} warnings`,
);
process.exitCode = errors === 0 ? 0 : 1;
