// Secrets and configs: what tasks are given to read, and who else is not.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;
/** Content that occurs nowhere by chance. */
const hush = 'hush-4b1d9c57e0';

const directory = (): string => join(inject('scratch'), 'documents');

function fileWith(name: string, content: string): string {
  mkdirSync(directory(), { recursive: true });
  const path = join(directory(), name);
  writeFileSync(path, content);
  return path;
}

beforeAll(async () => {
  host = await Host.create('documents');
  await host.up();
  await host.init();
});

afterAll(async () => {
  await host.destroy();
});

/** Runs a command in the one container of the service. */
async function inside(service: string, ...command: readonly string[]): Promise<string> {
  const [id] = [...(await host.containers(service)).values()];
  if (id === undefined) throw new Error(`${service} has no container`);
  return host.docker('exec', id, ...command);
}

describe('docker secret and docker config', () => {
  test('create, ls, inspect', async () => {
    const id = await host.docker('secret', 'create', '-l', 'a=b', 'password', fileWith('p', hush));
    expect(id).toMatch(/^[0-9a-z]{25}\n$/);
    const page = '{{.Service.Name}} slot {{.Task.Slot}} {{env "COLOUR"}} {{secret "password"}}';
    const template = ['--template-driver', 'golang'];
    await host.docker('config', 'create', ...template, 'page', fileWith('page', page));
    expect(await host.docker('secret', 'ls')).toMatch(
      /^ID +NAME +DRIVER +CREATED +UPDATED\n[0-9a-z]{25} +password + .+ ago +.+ ago\n$/,
    );
    expect(await host.docker('config', 'ls')).toMatch(
      /^ID +NAME +CREATED +UPDATED\n[0-9a-z]{25} +page +.+ ago +.+ ago\n$/,
    );
    expect(JSON.parse(await host.docker('secret', 'inspect', 'password'))).toMatchObject([
      { ID: id.trim(), Spec: { Name: 'password', Labels: { a: 'b' } } },
    ]);
    expect(await host.docker('config', 'inspect', '--pretty', 'page')).toContain(page);
  });

  test('refusals have the words that users know', async () => {
    const again = await host.tryDocker(['secret', 'create', 'password', fileWith('x', 'x')]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('secret password already exists');
    const unknown = await host.tryDocker(['service', 'create', '--secret=nope', 'busybox']);
    expect(unknown.stderr).toContain('secret not found: nope');
  });
});

describe('a task that is given them', () => {
  test('reads them from memory, with owner and mode, expanded for it', async () => {
    const mounts = [
      '--secret=source=password,uid=33,gid=44,mode=0400',
      '--secret=source=password,target=/etc/app/key',
      '--config=source=page,target=/www/index.html,mode=0444',
    ];
    const basics = ['--detach', '--name=reader', '--env=COLOUR=blue', '--stop-signal=KILL'];
    await host.docker('service', 'create', ...basics, ...mounts, 'busybox', 'sleep', '1d');
    await host.converged('reader', '1/1');
    expect(await inside('reader', 'cat', '/run/secrets/password', '/etc/app/key')).toBe(
      `${hush}${hush}`,
    );
    expect(await inside('reader', 'stat', '-c', '%u %g %a', '/run/secrets/password')).toBe(
      '33 44 400\n',
    );
    expect(await inside('reader', 'cat', '/www/index.html')).toBe(`reader slot 1 blue ${hush}`);
    const filesystem = await inside('reader', 'stat', '-f', '-c', '%T', '/run/secrets/password');
    expect(filesystem.trim()).toBe('tmpfs');
    const written = await inside('reader', 'sh', '-c', 'echo x >/run/secrets/password || echo no');
    expect(written).toBe('no\n');
  });

  test('keeps them: what is used cannot be removed', async () => {
    for (const [kind, name] of [
      ['secret', 'password'],
      ['config', 'page'],
    ] as const) {
      const removed = await host.tryDocker([kind, 'rm', name]);
      expect(removed.code).toBe(1);
      expect(removed.stderr).toContain(
        `${kind} '${name}' is in use by the following service: reader`,
      );
    }
  });

  test('nothing else says them: no answer, no log, no file on a disk', async () => {
    const answers = [
      await host.docker('secret', 'inspect', 'password'),
      await host.docker('service', 'inspect', 'reader'),
      await host.docker('inspect', ...(await host.containers('reader')).values()),
      await host.docker('service', 'ps', '--no-trunc', 'reader'),
    ];
    const encoded = Buffer.from(hush).toString('base64').replace(/=+$/, '');
    for (const answer of answers)
      for (const text of [hush, encoded]) expect(answer).not.toContain(text);
    for (const text of [hush, encoded]) {
      const found = execFileSync('sh', [
        '-c',
        'grep -rlF --binary-files=text "$1" "$2" || true',
        'sh',
        text,
        host.dataDirectory,
      ]);
      expect(found.toString()).toBe('');
    }
  });

  test('loses them with the service, and they can be removed', async () => {
    const without = ['--secret-rm=password', '--config-rm=page'];
    await host.docker('service', 'update', '--detach', ...without, 'reader');
    await eventually('the new task has no secret', async () => {
      const listed = await inside('reader', 'sh', '-c', 'ls /run/secrets 2>/dev/null || true');
      return !listed.includes('password');
    });
    // A rollback would need them.
    expect((await host.asking('prune', '--force')).stderr).toContain('nothing to remove');
    await host.docker('service', 'rm', 'reader');
    expect((await host.asking('prune')).stdout).toMatch(/^secret +password +.*\nconfig +page +/m);
    await host.docker('secret', 'rm', 'password');
    expect((await host.asking('prune', '--force')).stderr).toContain('config page is removed');
    for (const kind of ['secret', 'config'])
      expect(await host.docker(kind, 'ls', '--quiet')).toBe('');
  });
});

describe('a config whose content may change', () => {
  const composition = (page: string): string =>
    JSON.stringify({
      version: '3.8',
      services: {
        web: {
          image: 'busybox',
          command: ['sleep', '1d'],
          stop_signal: 'KILL',
          configs: [{ source: 'page', target: '/page' }],
          networks: ['outside'],
        },
      },
      networks: { outside: { external: true, name: 'host' } },
      configs: { page: { file: page, labels: { 'shoal.versioned': 'true' } } },
    });

  test('reaches tasks with the next deploy of the stack, and goes back with a rollback', async () => {
    const deploy = async (content: string): Promise<void> => {
      const stack = fileWith('stack.json', composition(fileWith('page', content)));
      await host.docker('stack', 'deploy', '--detach=true', '-c', stack, 'shop');
    };
    const shown = async (content: string): Promise<void> => {
      await eventually(`a task that has ${content}`, async () => {
        const ids = [...(await host.containers('shop_web')).values()];
        const [id = ''] = ids;
        if (ids.length !== 1) return false;
        return (await host.tryDocker(['exec', id, 'cat', '/page'])).stdout === content;
      });
    };
    await deploy('first');
    await shown('first');
    await deploy('second');
    await shown('second');
    const names = ['config', 'ls', '--format', '{{.Name}}'];
    expect((await host.docker(...names)).trim().split('\n').sort()).toEqual([
      'shop_page',
      'shop_page.1',
    ]);
    await host.docker('service', 'rollback', '--detach', 'shop_web');
    await shown('first');
    await host.docker('stack', 'rm', 'shop');
    expect(await host.docker(...names)).toBe('');
  });
});
