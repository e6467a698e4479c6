// With a registry: ordinary image names, pulled on the node, with the credentials the user has.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { mustRun } from '../host/command.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

/** `docker:secret` by bcrypt, made once with `htpasswd -nbB docker secret`. */
const passwords = 'docker:$2y$05$ULqcLlXwp72T/UlszA.KZenGge1.5o5DjlrvHGcrJ.nWz9p45C0wO';

let host: Host;
let registry: ChildProcess;
const engineUrl = (): string => `unix://${inject('engineSocket')}`;
const directory = (): string => join(inject('scratch'), 'registry');

beforeAll(async () => {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(join(directory(), 'htpasswd'), passwords);
  writeFileSync(
    join(directory(), 'config.yml'),
    [
      'version: 0.1',
      `storage: { filesystem: { rootdirectory: ${directory()}/images } }`,
      'http: { addr: 127.0.0.1:5000 }',
      `auth: { htpasswd: { realm: shoal, path: ${directory()}/htpasswd } }`,
    ].join('\n'),
  );
  registry = spawn(
    'nsenter',
    [
      '-t',
      String(inject('enginePid')),
      '-n',
      'docker-registry',
      'serve',
      join(directory(), 'config.yml'),
    ],
    { stdio: 'ignore' },
  );
  const login = { DOCKER_CONFIG: join(directory(), 'login') };
  const options = { env: login };
  await eventually('the registry answers', async () => {
    await mustRun(
      'docker',
      ['--host', engineUrl(), 'login', '-u', 'docker', '--password-stdin', '127.0.0.1:5000'],
      { ...options, stdin: 'secret' },
    );
    return true;
  });
  await mustRun(
    'docker',
    ['--host', engineUrl(), 'tag', 'busybox:latest', '127.0.0.1:5000/box:1'],
    options,
  );
  await mustRun('docker', ['--host', engineUrl(), 'push', '127.0.0.1:5000/box:1'], options);
  await mustRun('docker', ['--host', engineUrl(), 'rmi', '127.0.0.1:5000/box:1'], options);
  host = await Host.create('registry-host');
  await host.up();
  await host.init();
});

afterAll(async () => {
  registry.kill('SIGKILL');
  await host.destroy();
});

describe('an image in a registry that asks for a password', () => {
  test('without credentials the task is rejected and says why', async () => {
    await host.tryDocker(
      [
        'service',
        'create',
        '-d',
        '--name',
        'closed',
        '--restart-condition=none',
        '127.0.0.1:5000/box:1',
        'sleep',
        '1d',
      ],
      { env: { DOCKER_CONFIG: join(directory(), 'anonymous') } },
    );
    await eventually('rejected', async () => {
      const ps = await host.docker('service', 'ps', '--no-trunc', 'closed');
      return ps.includes('Rejected') && /No such image: 127\.0\.0\.1:5000\/box:1/.test(ps);
    });
    await host.docker('service', 'rm', 'closed');
  });

  test('with --with-registry-auth the node pulls it, pinned by digest', async () => {
    const created = await host.tryDocker(
      [
        'service',
        'create',
        '--with-registry-auth',
        '--name',
        'open',
        '--stop-grace-period=1s',
        '127.0.0.1:5000/box:1',
        'sleep',
        '1d',
      ],
      { env: { DOCKER_CONFIG: join(directory(), 'login') } },
    );
    expect(created.stderr).toBe('');
    expect(created.stdout).toMatch(/converged/);
    expect(
      await host.docker(
        'service',
        'inspect',
        '-f',
        '{{.Spec.TaskTemplate.ContainerSpec.Image}}',
        'open',
      ),
    ).toMatch(/^127\.0\.0\.1:5000\/box:1@sha256:[0-9a-f]{64}\n$/);
    const everything = await host.docker('service', 'inspect', 'open');
    expect(everything).not.toContain('secret');
    expect(everything).not.toContain(Buffer.from('docker:secret').toString('base64'));
    await host.docker('service', 'rm', 'open');
  });

  test('the password is nowhere in the clear on disk', async () => {
    const found = await mustRun('sh', [
      '-c',
      `grep -rlaE 'secret"|${Buffer.from('{"username":"docker"').toString('base64').slice(0, 20)}' ${host.dataDirectory} || true`,
    ]);
    expect(found).toBe('');
  });
});
