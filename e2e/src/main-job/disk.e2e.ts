// A disk that is full refuses writes, not reads; a damaged log is reported, never skipped.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { mustRun } from '../host/command.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

describe('a full disk', () => {
  let host: Host;
  const mount = (): string => join(inject('scratch'), 'full-disk');

  beforeAll(async () => {
    mkdirSync(mount(), { recursive: true });
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', mount()]);
    host = await Host.create('disk', join(mount(), 'data'));
    await host.up();
    await host.init();
    await host.docker('service', 'create', '-d', '--name', 'before', '--replicas', '0', 'busybox');
  });

  afterAll(async () => {
    await host.destroy();
    await mustRun('umount', ['-l', mount()]);
  });

  test('writes are refused with a clear error, reads go on, and freeing space heals it', async () => {
    await fill(mount());
    // The log's own space is taken ahead, so it takes a while of writing until the disk refuses.
    const big = 'x'.repeat(256 * 1024);
    const refused = await eventually(
      'a refused write',
      async () => {
        const response = await host.http(
          'POST',
          '/services/create',
          JSON.stringify({
            Name: `fat-${Math.random().toString(36).slice(2)}`,
            Labels: { big },
            TaskTemplate: { ContainerSpec: { Image: 'busybox:latest' } },
            Mode: { Replicated: { Replicas: 0 } },
          }),
        );
        return response.status >= 500 && response;
      },
      100_000,
    );
    const { message } = JSON.parse(refused.body) as { message: string };
    expect(message).toMatch(/no space left|disk/i);
    expect(message).toContain(mount());
    expect(await host.docker('service', 'ls', '--format', '{{.Name}}')).toContain('before\n');
    rmSync(join(mount(), 'ballast'));
    await eventually('writes work again', async () => {
      const again = await host.tryDocker([
        'service',
        'update',
        '-d',
        '--label-add',
        'a=b',
        'before',
      ]);
      return again.code === 0;
    });
    expect(await host.docker('service', 'inspect', '-f', '{{.Spec.Labels.a}}', 'before')).toBe(
      'b\n',
    );
  });
});

describe('a damaged log', () => {
  test('is reported with file and offset, and nothing is served from it', async () => {
    const host = await Host.create('damaged');
    await host.up();
    await host.init();
    for (let round = 0; round < 5; round++) {
      await host.docker(
        'service',
        'create',
        '-d',
        '--name',
        `s${round}`,
        '--replicas',
        '0',
        'busybox',
      );
    }
    await host.down();
    const raft = join(host.dataDirectory, 'swarm', 'log');
    const segment = readdirSync(raft, { recursive: true, encoding: 'utf8' }).find((file) =>
      file.endsWith('.wal'),
    );
    if (segment === undefined) throw new Error(`no segment under ${raft}`);
    const file = join(raft, segment);
    const content = readFileSync(file);
    // Nothing of what users wrote lies open on the disk.
    expect(content.includes('"name"')).toBe(false);
    // Well before the newest write, which a crash may have torn.
    const at = Math.floor(content.findLastIndex((byte) => byte !== 0) / 4);
    expect(at).toBeGreaterThan(0);
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.from([(content[at] ?? 0) ^ 0xff]), 0, 1, at);
    closeSync(handle);
    await host.up().catch(() => '');
    const status = await eventually('the damage in status', async () => {
      const out = await host.shoal('status');
      return out.stdout.includes(file) && out.stdout;
    });
    expect(status).toMatch(/damaged at byte \d+/);
    expect((await host.tryDocker(['service', 'ls'])).code).toBe(1);
    await host.down();
  });
});

async function fill(directory: string): Promise<void> {
  const chunk = Buffer.alloc(1024 * 1024);
  try {
    for (;;) writeFileSync(join(directory, 'ballast'), chunk, { flag: 'a' });
  } catch {
    // Full: as wanted.
  }
}
