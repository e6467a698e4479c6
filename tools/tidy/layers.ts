import { dirname, join } from 'node:path';
import {
  type Finding,
  importsOf,
  isTest,
  namesOf,
  packageName,
  packageOf,
  type SourceFile,
} from './source.ts';

export interface Manifest {
  /** Folder, such as `libs/raft`. */
  readonly folder: string;
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Folders its tsconfig refers to. */
  readonly references: readonly string[];
}

const vitestConfig = /(?:^|\/)vitest(?:\.[a-z-]+)?\.config\.ts$/;
/** What every package may use without naming it: the tools of the root, in tests only. */
const testTools = ['vitest', 'fast-check', 'yaml', 'ajv', 'ajv-formats', 'testcontainers'];

interface Allowance {
  readonly specifier: string;
  /** Only these names of it; without, all. */
  readonly names?: readonly string[];
}

/** Folders whose code is pure, and all that it may import besides its own files. */
const pureFolders: Readonly<Record<string, readonly Allowance[]>> = {
  'libs/state/src/': [
    { specifier: '@shoal/runtime' },
    // The format of entries, without the services.
    { specifier: '@shoal/proto/entry' },
    // These parse and compare addresses and open nothing; the rest of node:net is sockets.
    { specifier: 'node:net', names: ['BlockList', 'isIP', 'isIPv4', 'isIPv6'] },
    { specifier: 'ipaddr.js' },
    { specifier: 'zod' },
  ],
  'libs/raft/src/core/': [{ specifier: '@shoal/runtime' }],
};

/**
 * The places where an app imports others: plans, and the test that replays recorded sessions, play the pure
 * stages through, which is all that the index of these apps exports.
 */
const rehearsal = {
  folders: ['apps/api/src/plan/', 'apps/api/src/contract/'],
  stages: ['apps/orchestrator', 'apps/allocator', 'apps/scheduler'],
} as const;

/** Arrows only point down: `apps → libs`; no app knows another; `proto` knows nothing of ours. */
export function checkLayers(
  files: readonly SourceFile[],
  manifests: readonly Manifest[],
): readonly Finding[] {
  const folders = new Map(manifests.map(({ name, folder }) => [name, folder]));
  return files.flatMap(({ path, text }) => {
    const manifest = manifests.find(({ folder }) => folder === packageOf(path));
    return importsOf(text).flatMap((specifier) => {
      const messages = specifier.startsWith('.')
        ? [relativeBreach(path, specifier)]
        : [
            layerBreach(path, folders.get(packageName(specifier))),
            dependencyBreach(path, specifier, manifest),
          ];
      return [...messages, purityBreach(path, specifier, text)]
        .filter((message) => message !== undefined)
        .map((message) => ({ path, message }));
    });
  });
}

function relativeBreach(path: string, specifier: string): string | undefined {
  const target = join(dirname(path), specifier);
  if (packageOf(target) === packageOf(path)) return undefined;
  return `imports ${specifier}: another package is imported by its name`;
}

function layerBreach(path: string, target: string | undefined): string | undefined {
  const from = packageOf(path);
  if (target === undefined || target === from) return undefined;
  if (from === 'libs/proto') return `imports ${target}: proto knows nothing of ours`;
  const above = from.startsWith('libs/') || from.startsWith('apps/');
  if (!above || !target.startsWith('apps/')) return undefined;
  const { folders, stages } = rehearsal;
  const plays = folders.some((folder) => path.startsWith(folder));
  if (plays && stages.some((stage) => stage === target)) return undefined;
  const advice = isTest(path) ? '; a test of several apps belongs into e2e' : '';
  return `imports ${target}: arrows point from apps to libs${advice}`;
}

function dependencyBreach(
  path: string,
  specifier: string,
  manifest: Manifest | undefined,
): string | undefined {
  const name = packageName(specifier);
  if (specifier.startsWith('node:') || manifest === undefined || name === manifest.name)
    return undefined;
  if (manifest.dependencies.includes(name)) return undefined;
  if (testTools.includes(name) && (isTest(path) || vitestConfig.test(path))) return undefined;
  return `imports ${name}, which ${manifest.folder}/package.json does not name`;
}

function purityBreach(path: string, specifier: string, text: string): string | undefined {
  if (isTest(path) || specifier.startsWith('.')) return undefined;
  const allowed = Object.entries(pureFolders).find(([folder]) => path.startsWith(folder))?.[1];
  if (allowed === undefined) return undefined;
  const allowance = allowed.find((one) => one.specifier === specifier);
  if (allowance === undefined) {
    const all = allowed.map((one) => one.specifier).join(', ');
    return `imports ${specifier}: this folder is pure and may import ${all} only`;
  }
  const { names } = allowance;
  if (names === undefined) return undefined;
  const others = namesOf(text, specifier).filter((name) => !names.includes(name));
  if (others.length === 0) return undefined;
  return `imports ${others.join(', ')} of ${specifier}: this folder is pure and may import ${names.join(', ')} only`;
}

/** Every dependency is used, and every one of ours is a project reference. */
export function checkManifests(
  files: readonly SourceFile[],
  manifests: readonly Manifest[],
): readonly Finding[] {
  const folders = new Map(manifests.map(({ name, folder }) => [name, folder]));
  return manifests.flatMap((manifest) => {
    const path = `${manifest.folder}/package.json`;
    const own = files.filter((file) => packageOf(file.path) === manifest.folder);
    // A package nobody has written yet has nothing to check.
    if (own.length === 0) return [];
    const used = new Set(own.flatMap(({ text }) => importsOf(text)).map(packageName));
    const unused = manifest.dependencies
      .filter((name) => !used.has(name))
      .map((name) => ({ path, message: `names ${name}, which nothing here imports` }));
    const unreferenced = manifest.dependencies
      .map((name) => folders.get(name))
      .filter((folder) => folder !== undefined && !manifest.references.includes(folder))
      .map((folder) => ({
        path,
        message: `needs ${folder}, which its tsconfig does not refer to`,
      }));
    return [...unused, ...unreferenced];
  });
}
