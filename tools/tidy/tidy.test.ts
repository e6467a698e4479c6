import { describe, expect, test } from 'vitest';
import { missingEntries } from '../complete-lock.ts';
import { checkExports } from './exports.ts';
import { checkLayers, checkManifests, type Manifest } from './layers.ts';
import { checkReadmes } from './readmes.ts';
import { importsOf } from './source.ts';
import { checkStyle } from './style.ts';

const manifest = (folder: string, ...dependencies: readonly string[]): Manifest => ({
  folder,
  name: `@shoal/${folder.split('/').at(-1)}`,
  dependencies,
  references: ['libs/runtime'],
});
const manifests = [
  manifest('apps/api', '@shoal/runtime', '@shoal/scheduler', 'zod'),
  manifest('apps/scheduler', '@shoal/runtime'),
  manifest('apps/dispatcher'),
  manifest('libs/runtime'),
  manifest('libs/proto', '@shoal/runtime'),
  manifest('libs/state', '@shoal/runtime', 'zod'),
  manifest('libs/raft', '@shoal/runtime', '@shoal/api'),
  manifest('e2e', '@shoal/scheduler'),
];

function layers(path: string, text: string): readonly string[] {
  return checkLayers([{ path, text }], manifests).map(({ message }) => message);
}

test.each([
  ['export function one() {}', ['one']],
  ['export async function one() {}', ['one']],
  ['export const one = 1;\nexport const two = one;', ['one', 'two']],
  ['export const [one, used] = [1, 2];', ['one']],
  ['export abstract class One {}', ['One']],
  ['export const used = 1;', []],
  ['export interface One {}\nexport type Two = One;', []],
  ['const one = 1;', []],
])('what nobody else names is not to be exported: %s', (text, names) => {
  const other = "import { used } from './a.ts'; // one, 'two'";
  const found = checkExports([
    { path: 'a.ts', text },
    { path: 'b.ts', text: other },
  ]);
  expect(found.map(({ message }) => message.split(' ')[0])).toEqual(names);
});

test('imports are found in every form', () => {
  const text = [
    "import { a } from 'a';",
    "import type { b,\n  c } from 'b/c';",
    "export * from './d.ts';",
    "import 'e';",
    'import { h } from "h";',
    'import "i";',
    "const f = await import('f');",
    "// import { g } from 'g';",
  ].join('\n');
  expect([...importsOf(text)].sort()).toEqual(['./d.ts', 'a', 'b/c', 'e', 'f', 'h', 'i']);
});

describe('layers', () => {
  test.each([
    ['an app that imports an app', 'apps/api/src/a.ts', '@shoal/scheduler', 'arrows point'],
    [
      'a plan that imports another app',
      'apps/api/src/plan/a.ts',
      '@shoal/dispatcher',
      'arrows point',
    ],
    ['a lib that imports an app', 'libs/raft/src/a.ts', '@shoal/api', 'arrows point'],
    [
      'proto with something of ours',
      'libs/proto/src/a.ts',
      '@shoal/runtime',
      'proto knows nothing',
    ],
    [
      'a path into another package',
      'apps/api/src/a.ts',
      '../../../libs/raft/src/b.ts',
      'by its name',
    ],
    ['a dependency nobody named', 'apps/scheduler/src/a.ts', 'zod', 'does not name'],
    ['a test tool in shipped code', 'apps/api/src/a.ts', 'vitest', 'does not name'],
    ['input and output in the state', 'libs/state/src/a.ts', 'node:fs', 'is pure'],
    ['a whole module of which a part is pure', 'libs/state/src/a.ts', 'node:net', 'imports x of'],
    ['a heavy part in the core', 'libs/raft/src/core/a.ts', '@shoal/runtime/process', 'is pure'],
  ])('refuse %s', (_what, path, specifier, words) => {
    expect(layers(path, `import { x } from '${specifier}';`).join()).toContain(words);
  });
  test.each([
    ['apps/api/src/a.ts', '@shoal/runtime'],
    ['apps/api/src/a.ts', 'node:fs'],
    ['apps/api/src/a.ts', './b.ts'],
    ['apps/api/src/a.test.ts', 'vitest'],
    ['libs/state/src/a.ts', 'zod'],
    ['libs/state/src/a.test.ts', 'node:fs'],
    ['libs/raft/src/core/a.ts', '../types.ts'],
    ['e2e/src/a.e2e.ts', '@shoal/scheduler'],
    ['apps/api/src/plan/a.ts', '@shoal/scheduler'],
    ['apps/api/src/contract/a.ts', '@shoal/scheduler'],
  ])('let %s import %s', (path, specifier) => {
    expect(layers(path, `import { x } from '${specifier}';`)).toEqual([]);
  });
});

test('a pure folder may import the pure names of a module alone', () => {
  const net = (clause: string) =>
    layers('libs/state/src/a.ts', `import ${clause} from 'node:net';`);
  expect(net('{ BlockList, isIP,\n  type isIPv6 as v6, }')).toEqual([]);
  expect(net('{ isIP, connect }').join()).toContain('imports connect of node:net');
  expect(net('* as net').join()).toContain('imports * of node:net');
  expect(net('net').join()).toContain('imports * of node:net');
});

test('dependencies that nothing imports or no reference covers are named', () => {
  const files = [{ path: 'apps/api/src/a.ts', text: "import { x } from '@shoal/scheduler';" }];
  const found = checkManifests(files, manifests).map(({ message }) => message);
  expect(found).toEqual([
    'names @shoal/runtime, which nothing here imports',
    'names zod, which nothing here imports',
    'needs apps/scheduler, which its tsconfig does not refer to',
  ]);
});

describe('style', () => {
  const style = (path: string, text = '') =>
    checkStyle([{ path, text }]).map(({ message }) => message);
  test('refuses names that say nothing', () => {
    expect(style('libs/raft/src/utils/a.ts')).toHaveLength(1);
    expect(style('libs/raft/src/helpers.test.ts')).toHaveLength(1);
    expect(style('libs/raft/src/commonly.ts')).toEqual([]);
  });
  test('refuses work put off', () => {
    expect(style('apps/api/src/a.ts', 'a\n// TODO later\n').join()).toContain('line 2: TODO');
  });
  test.each(['Date.now()', 'Math.random()', 'setTimeout(f, 1)', 'new Date()', 'randomBytes(1)'])(
    'refuses %s in libraries alone',
    (code) => {
      expect(style('libs/raft/src/a.ts', `const x = ${code};`)).toHaveLength(1);
      expect(style('libs/raft/src/a.test.ts', `const x = ${code};`)).toEqual([]);
      expect(style('apps/cli/src/a.ts', `const x = ${code};`)).toEqual([]);
      expect(style('libs/raft/src/a.ts', `// no ${code} here\nconst y = '${code}';`)).toEqual([]);
    },
  );
  test('warns of long files', () => {
    const found = checkStyle([{ path: 'libs/raft/src/a.ts', text: 'x\n'.repeat(401) }]);
    expect(found).toMatchObject([{ warning: true }]);
    expect(style('libs/raft/src/a.ts', 'x\n'.repeat(400))).toEqual([]);
  });
});

test.each([
  [undefined, ['is missing: say what the package owns']],
  ['# one\n\ntwo  three\n', []],
  ['word '.repeat(850), []],
  ['word '.repeat(851), ['851 words; a page has 850: the rest is for DESIGN.md']],
])('every package has one page', (text, messages) => {
  const found = checkReadmes([{ folder: 'libs/raft', text }]);
  expect(found.map(({ message }) => message)).toEqual(messages);
});

test('a lock lacks the platform packages that nothing resolves to', () => {
  const packages = {
    '': { optionalDependencies: { 'ignored-linux-x64': '1.0.0' } },
    'node_modules/tool': {
      dev: true,
      optionalDependencies: {
        '@tool/linux-x64': '1.2.3',
        '@tool/darwin-arm64': '1.2.3',
        '@tool/linux-arm64-musl': '1.2.3',
        '@tool/nested-linux-x64': '1.2.3',
        'not-a-platform': '1.2.3',
        'ranged-linux-x64': '^1.0.0',
      },
    },
    'node_modules/@tool/linux-x64': { version: '1.2.3' },
    'node_modules/tool/node_modules/@tool/nested-linux-x64': { version: '1.2.3' },
  };
  expect(Object.fromEntries(missingEntries(packages))).toEqual({
    'node_modules/@tool/darwin-arm64': {
      version: '1.2.3',
      cpu: ['arm64'],
      dev: true,
      optional: true,
      os: ['darwin'],
    },
    'node_modules/@tool/linux-arm64-musl': {
      version: '1.2.3',
      cpu: ['arm64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    },
  });
});
