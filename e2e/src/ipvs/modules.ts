import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ArchiveEntry, file } from './archive.ts';

/** Folders of a kernel's modules that balancing and tunnels may need. */
const folders = ['net', 'drivers/net', 'lib', 'crypto', 'arch/x86/crypto'] as const;
const withoutHardware = /drivers\/net\/(ethernet|wireless|usb|fddi|can|wan|phy|hyperv|vmxnet3)\//;

/**
 * The modules with the lists by which `modprobe` finds them; what `depmod` would make of them, from what
 * the modules say of themselves.
 * @param root where `lib/modules/<release>` is.
 */
export function moduleEntries(root: string, release: string): readonly ArchiveEntry[] {
  const base = join(root, 'lib/modules', release);
  const paths = folders.flatMap((folder) => list(base, join('kernel', folder)));
  const kept = paths.filter((path) => !withoutHardware.test(path));
  const modules = kept.map((path) => {
    const content = readFileSync(join(base, path));
    return { path, content, name: nameOf(path), ...saysOfItself(content) };
  });
  const pathByName = new Map(modules.map(({ name, path }) => [name, path]));
  const dependsByName = new Map(modules.map(({ name, depends }) => [name, depends]));
  const dependencies = modules.map(({ name, path }) => {
    const all = closure(name, dependsByName);
    return `${path}: ${all.map((each) => pathByName.get(each) ?? '').join(' ')}`.trimEnd();
  });
  const aliases = modules.flatMap(({ name, aliases: own }) =>
    own.map((alias) => `alias ${alias} ${name}`),
  );
  const inside = (path: string): string => `lib/modules/${release}/${path}`;
  const text = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\n')}\n`);
  return [
    ...modules.map(({ path, content }) => file(inside(path), content)),
    file(inside('modules.dep'), text(dependencies)),
    file(inside('modules.alias'), text(aliases)),
    file(inside('modules.symbols'), text([])),
    file(inside('modules.builtin'), readFileSync(join(base, 'modules.builtin'))),
  ];
}

function list(base: string, folder: string): readonly string[] {
  return readdirSync(join(base, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ko'))
    .map((path) => join(folder, path));
}

function nameOf(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/\.ko$/, '').replaceAll('-', '_');
}

function saysOfItself(content: Buffer): {
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
} {
  const text = content.toString('latin1');
  const depends = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? '';
  const aliases = [...text.matchAll(/\0alias=([^\0]*)/g)].map(([, alias = '']) => alias);
  return { depends: depends.split(',').filter((name) => name !== ''), aliases };
}

/** Everything a module needs, what is needed first at the end, as `modules.dep` has it. */
function closure(name: string, depends: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = [];
  const visit = (each: string): void => {
    for (const next of depends.get(each) ?? []) {
      const key = next.replaceAll('-', '_');
      const at = found.indexOf(key);
      if (at >= 0) found.splice(at, 1);
      found.push(key);
      visit(key);
    }
  };
  visit(name);
  return found;
}
