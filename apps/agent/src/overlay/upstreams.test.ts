import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { containerNameservers, HostResolver, readResolvConf, upstream } from './upstreams.ts';

test.each<[string, readonly string[], readonly string[]]>([
  ['plain', ['nameserver 192.0.2.1\nnameserver 192.0.2.2\n'], ['192.0.2.1', '192.0.2.2']],
  [
    'with everything around it',
    ['# nameserver 1.1.1.1\nsearch a b\n nameserver\t192.0.2.1 # first\noptions ndots:1'],
    ['192.0.2.1'],
  ],
  [
    'three at most',
    [['1', '2', '3', '4'].map((at) => `nameserver 192.0.2.${at}`).join('\n')],
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  ],
  ['a local one', ['nameserver 127.0.0.1\n', ''], ['127.0.0.1']],
  ['a local one beside systemd-resolved', ['nameserver ::1', 'nameserver 192.0.2.9'], ['::1']],
  [
    'a local one before another',
    ['nameserver 127.0.0.1\nnameserver 192.0.2.1'],
    ['127.0.0.1', '192.0.2.1'],
  ],
  ['those of systemd-resolved', ['nameserver 127.0.0.53', 'nameserver 192.0.2.9'], ['192.0.2.9']],
  ['systemd-resolved where it names none', ['nameserver 127.0.0.53', ''], ['127.0.0.53']],
  [
    'those of a link',
    ['nameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver 192.0.2.1%eth0'],
    ['fe80::1%eth0', '2001:db8::1'],
  ],
  ['none', ['', ''], []],
])('nameservers of the host: %s', (_what, files, expected) => {
  expect(readResolvConf(files).nameservers).toEqual(expected);
});

test.each<[string, readonly string[], object]>([
  ['none', ['nameserver 192.0.2.1'], { search: [], options: [] }],
  [
    'those of the last line, and all options',
    ['domain a.test\nsearch b.test c.test\noptions ndots:2 edns0\noptions rotate'],
    { search: ['b.test', 'c.test'], options: ['ndots:2', 'edns0', 'rotate'] },
  ],
  ['a domain', ['search b.test\ndomain a.test'], { search: ['a.test'], options: [] }],
  [
    'those of the file that counts',
    [
      'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a.test',
      'nameserver 192.0.2.9\nsearch .',
    ],
    { search: [], options: [] },
  ],
])('search domains and options of the host: %s', (_what, files, expected) => {
  expect(readResolvConf(files)).toMatchObject(expected);
});

/** Files by path; content that is a path makes a link. */
async function treeOf(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-resolv-'));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    if (/^[./]/.test(content)) await symlink(content, join(root, path));
    else await writeFile(join(root, path), content);
  }
  return root;
}

const resolved = '/run/systemd/resolve/resolv.conf';
const ofResolved = { [resolved]: 'nameserver 192.0.2.9' };

test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
  ['a file', { '/etc/resolv.conf': 'nameserver 192.0.2.1' }, ['192.0.2.1']],
  ['a stub', { ...ofResolved, '/etc/resolv.conf': 'nameserver 127.0.0.53' }, ['192.0.2.9']],
  ['a link by a whole path', { ...ofResolved, '/etc/resolv.conf': resolved }, ['192.0.2.9']],
  [
    'a link by a path from there',
    { ...ofResolved, '/etc/resolv.conf': `..${resolved}` },
    ['192.0.2.9'],
  ],
  [
    'a link on the way',
    { ...ofResolved, '/var/run': '/run', '/etc/resolv.conf': `/var${resolved}` },
    ['192.0.2.9'],
  ],
  [
    'a link that would lead above the tree',
    { ...ofResolved, '/etc/resolv.conf': `../../../../../..${resolved}` },
    ['192.0.2.9'],
  ],
  ['a circle', { '/etc/resolv.conf': '/etc/resolv.conf' }, []],
  ['no file', { '/etc/hostname': 'a' }, []],
])('the host’s tree is read, not the container’s: %s', async (_what, files, expected) => {
  const container = await treeOf({ '/etc/resolv.conf': 'nameserver 192.0.2.77' });
  const host = new HostResolver([await treeOf(files), container]);
  await host.look();
  expect(host.now.nameservers).toEqual(expected);
});

test('who may not look at the host’s tree reads what is in its own', async () => {
  const own = await treeOf({ '/etc/resolv.conf': 'nameserver 192.0.2.77' });
  const host = new HostResolver([join(own, 'absent'), own]);
  expect(await host.look()).toBe(true);
  expect(host.now.nameservers).toEqual(['192.0.2.77']);
});

test('the host’s file is read anew, and while it is being written the last word stays', async () => {
  const root = await treeOf({ '/etc/resolv.conf': '' });
  const path = join(root, '/etc/resolv.conf');
  const host = new HostResolver([root]);
  expect(await host.look()).toBe(false);
  const steps: readonly (readonly [string, boolean, readonly string[]])[] = [
    ['nameserver 192.0.2.1\n', true, ['192.0.2.1']],
    ['nameserver 192.0.2.1\n', false, ['192.0.2.1']],
    ['', false, ['192.0.2.1']],
    ['nameserver 127.0.0.1\n', true, ['127.0.0.1']],
  ];
  for (const [content, changed, nameservers] of steps) {
    await writeFile(path, content);
    expect(await host.look()).toBe(changed);
    expect(host.now.nameservers).toEqual(nameservers);
  }
});

test.each<[string, readonly string[], readonly string[], readonly string[]]>([
  ['the host’s', [], ['a', 'b', 'c'], ['10.0.1.1', 'a', 'b']],
  ['the user’s instead', ['u'], ['a'], ['10.0.1.1', 'u']],
  [
    'none that the host alone reaches',
    [],
    ['127.0.0.1', '::1', 'fe80::1%eth0', 'a'],
    ['10.0.1.1', 'a'],
  ],
])('a container asks the resolver first, then %s', (_what, given, host, expected) => {
  expect(containerNameservers('10.0.1.1', given, host)).toEqual(expected);
});

test('an upstream is an address with a port', () => {
  expect(['192.0.2.1', '2001:db8::1', 'fe80::1%eth0'].map(upstream)).toEqual([
    '192.0.2.1:53',
    '[2001:db8::1]:53',
    '[fe80::1%eth0]:53',
  ]);
});
