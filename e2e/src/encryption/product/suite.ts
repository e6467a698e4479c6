import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ArchiveEntry, file, link } from '../../ipvs/archive.ts';
import { find, type MachineSuite } from '../../ipvs/root.ts';

const root = join(import.meta.dirname, '../../../..');
/** Of the containers' image. */
const applets = ['sh', 'httpd', 'wget', 'sleep', 'mkdir', 'echo', 'nslookup', 'cat'];

/** What a computer needs on which Docker's engines and all of Shoal's processes run. */
export const productSuite: MachineSuite = {
  programs: { guest: 'e2e/src/encryption/product/guest.ts' },
  extra: {
    packages: { dockerd: 'docker.io' },
    programs: [
      ...['dockerd', 'containerd', 'containerd-shim-runc-v2', 'runc', 'docker-init'],
      ...['docker-proxy', 'docker'],
    ],
    applets: ['chroot', 'cp', 'hostname', 'kill', 'tar'],
    files: () => [...bundles(), ...image(), ...hostFiles()],
  },
};

/** Shoal as it is installed: what `nx run-many -t bundle` makes. */
function bundles(): readonly ArchiveEntry[] {
  const place = 'opt/shoal';
  const apps = readdirSync(join(root, 'apps'));
  const programs = apps.flatMap((app) => {
    const built = join(root, 'apps', app, 'dist');
    return list(built)
      .filter((name) => name.endsWith('.mjs'))
      .map((name) => file(`${place}/apps/${app}/dist/${name}`, readFileSync(join(built, name))));
  });
  if (programs.length === 0) throw new Error('Shoal is not built: nx run-many -t bundle');
  const marks = ['nx.json', 'package.json'].map((name) =>
    file(`${place}/${name}`, readFileSync(join(root, name))),
  );
  return [...programs, ...marks];
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function image(): readonly ArchiveEntry[] {
  const busybox = readFileSync(find('busybox') ?? '');
  return [
    file('image/bin/busybox', busybox, true),
    ...applets.map((name) => link(`image/bin/${name}`, 'busybox')),
    file('image/etc/passwd', Buffer.from('root:x:0:0:root:/:/bin/sh\n')),
    file('image/tmp/.keep', Buffer.alloc(0)),
  ];
}

function hostFiles(): readonly ArchiveEntry[] {
  const script = readFileSync(join(import.meta.dirname, 'host-init.sh'));
  return [
    file('suite/host-init.sh', script, true),
    file('etc/hosts', Buffer.from('127.0.0.1 localhost\n')),
    // Nobody answers for names, and says so at once.
    file('etc/resolv.conf', Buffer.from('nameserver 127.0.0.1\n')),
  ];
}
