import { expect, test } from 'vitest';
import { checkContainerLabels, containerLabels, containerOptions } from './container.ts';

test.each([
  ['privileged', 'true', { privileged: true }],
  ['privileged', 'false', { privileged: false }],
  [
    'devices',
    '/dev/fuse, /dev/sda:/dev/xvda,/dev/sdb:r,/dev/sdc:/dev/c:rm',
    {
      devices: [
        { onHost: '/dev/fuse', inContainer: '/dev/fuse', permissions: 'rwm' },
        { onHost: '/dev/sda', inContainer: '/dev/xvda', permissions: 'rwm' },
        { onHost: '/dev/sdb', inContainer: '/dev/sdb', permissions: 'r' },
        { onHost: '/dev/sdc', inContainer: '/dev/c', permissions: 'rm' },
      ],
    },
  ],
  ['device-cgroup-rules', 'c 13:* rmw, a *:* r', { deviceRules: ['c 13:* rmw', 'a *:* r'] }],
  ['gpus', 'all', { gpus: { kind: 'count', count: -1 } }],
  ['gpus', '2', { gpus: { kind: 'count', count: 2 } }],
  ['gpus', 'device=0,GPU-3a2b', { gpus: { kind: 'devices', ids: ['0', 'GPU-3a2b'] } }],
  [
    'security-opt',
    'seccomp=unconfined,apparmor=mine,label=type:svirt_t,no-new-privileges',
    {
      securityOptions: [
        'seccomp=unconfined',
        'apparmor=mine',
        'label=type:svirt_t',
        'no-new-privileges',
      ],
    },
  ],
  ['shm-size', '256m', { shmBytes: 256 * 1024 ** 2 }],
  ['shm-size', '1.5GiB', { shmBytes: 1.5 * 1024 ** 3 }],
  ['shm-size', '4096', { shmBytes: 4096 }],
  ['ipc', 'shareable', { ipc: 'shareable' }],
  ['pid', 'host', { pid: 'host' }],
  ['uts', 'host', { uts: 'host' }],
  ['userns', 'host', { userNamespace: 'host' }],
  ['cgroupns', 'private', { cgroupNamespace: 'private' }],
  ['cgroup-parent', '/fast.slice', { cgroupParent: '/fast.slice' }],
  ['runtime', 'runsc', { runtime: 'runsc' }],
])('shoal.%s=%s', (name, value, options) => {
  const labels = { [`shoal.${name}`]: value };
  expect(containerOptions(labels)).toEqual(options);
  expect(checkContainerLabels(labels)).toBeUndefined();
});

test.each([
  ['privileged', 'yes'],
  ['devices', 'dev/fuse'],
  ['devices', '/dev/fuse:/dev/fuse:x'],
  ['devices', '/dev/a:/dev/b:r:w'],
  ['devices', '/dev/fuse,'],
  ['devices', Array.from({ length: 65 }, (_, at) => `/dev/${at}`).join(',')],
  ['device-cgroup-rules', 'c 13 rmw'],
  ['gpus', '0'],
  ['gpus', '65'],
  ['gpus', 'device='],
  ['security-opt', 'seccomp=/etc/profile.json'],
  ['security-opt', 'unconfined'],
  ['shm-size', '0'],
  ['shm-size', '0.0001'],
  ['shm-size', 'much'],
  ['ipc', 'container:web'],
  ['pid', 'container:web'],
  ['uts', ''],
  ['userns', 'private'],
  ['cgroupns', 'shared'],
  ['cgroup-parent', 'a b'],
  ['runtime', '../runc'],
])('shoal.%s=%.40s is refused, and means nothing', (name, value) => {
  const label = `shoal.${name}`;
  expect(checkContainerLabels({ [label]: value })).toContain(
    `label ${label}="${value}" is invalid: must be `,
  );
  expect(containerOptions({ [label]: value })).toEqual({});
});

test('every label is tried above', () => {
  expect(containerOptions({ 'other.privileged': 'true' })).toEqual({});
  expect(containerLabels).toHaveLength(13);
});
