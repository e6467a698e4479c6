// The agent as users run it, killed whenever it hurts.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeIdentity, writeIdentity } from '@shoal/pki';
import { freePort } from '@shoal/runtime/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repository } from '../host/engine.ts';
import { eventually } from '../host/wait.ts';
import { FakeSwarm } from './fake-swarm.ts';
import { type OwnEngine, startOwnEngine } from './own-engine.ts';

const tasksCount = 8;

describe('the agent as a process', () => {
  let engine: OwnEngine;
  let swarm: FakeSwarm;
  let dataDir: string;
  let out: string;
  let child: ChildProcess | undefined;
  let port: number;

  const start = (): void => {
    const flags = {
      'data-dir': dataDir,
      'run-dir': join(dataDir, 'run'),
      engine: engine.address,
      'metrics-listen': `127.0.0.1:${port}`,
      'log-level': 'error',
    };
    child = spawn(
      process.execPath,
      [
        '--conditions=@shoal/source',
        join(repository, 'apps/agent/src/main.ts'),
        ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
  };
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const dying = child;
    if (dying === undefined) return null;
    child = undefined;
    const gone = new Promise<number | null>((resolve) => dying.once('exit', resolve));
    dying.kill(signal);
    return gone;
  };
  const health = async (): Promise<{ ready: boolean; role: string; detail: string }> =>
    (await fetch(`http://127.0.0.1:${port}/readyz`)).json() as Promise<{
      ready: boolean;
      role: string;
      detail: string;
    }>;
  const states = (ids: readonly string[]): (string | undefined)[] =>
    ids.map((id) => swarm.task(id)?.status.state);
  const mine = async (): Promise<string[]> => {
    const label = `label=com.docker.swarm.node.id=${swarm.identity.nodeId}`;
    return (await engine.docker('ps', '-aq', '--filter', label)).split('\n').filter(Boolean);
  };

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'shoal-agent-'));
    out = await mkdtemp(join(tmpdir(), 'shoal-out-'));
    engine = await startOwnEngine();
    swarm = await FakeSwarm.start();
    port = await freePort();
  });
  afterAll(async () => {
    await end('SIGKILL');
    await swarm.stop();
    await engine.stop();
    for (const directory of [dataDir, out]) await rm(directory, { recursive: true });
  });

  test('stands by while the host is in no swarm', async () => {
    start();
    const report = await eventually('it stands by', async () => {
      const said = await health().catch(() => undefined);
      return said?.role === 'standby' ? said : undefined;
    });
    expect(report).toMatchObject({ ready: true, detail: 'the host is in no swarm' });
  });

  test('killed at any moment, it runs every task once and loses none', async () => {
    await writeIdentity(dataDir, swarm.identity);
    const service = swarm.service({
      Args: ['sh', '-c', 'echo ran >> /out/$TASK; exec sleep 1000'],
      Env: ['TASK={{.Task.ID}}'],
      Mounts: [{ Type: 'bind', Source: out, Target: '/out' }],
      StopGracePeriod: 0,
    });
    const ids = swarm.assign(service, tasksCount);
    // Killed whenever the tasks have come a little further, wherever that is.
    for (const moved of [1, 3, 5]) {
      await eventually(`${moved} on their way`, () => {
        const count = states(ids).filter((state) => state !== 'assigned').length;
        return count >= moved && child !== undefined;
      });
      await eventually('containers', async () => (await mine()).length >= moved);
      await end('SIGKILL');
      start();
    }
    await eventually('all run', () => states(ids).every((state) => state === 'running'), 40_000);
    const files = await readdir(out);
    expect(files.toSorted()).toEqual(ids.toSorted());
    for (const file of files) expect(await readFile(join(out, file), 'utf8')).toBe('ran\n');
  }, 90_000);

  test('SIGTERM ends it and leaves the containers alone', async () => {
    // A process that has only begun dies of the signal.
    await eventually('it works', async () => {
      const said = await health().catch(() => undefined);
      return said?.ready === true && said.role === 'active';
    });
    expect(await end('SIGTERM')).toBe(0);
    const running = await engine.docker('ps', '-q');
    expect(running.split('\n').filter(Boolean).length).toBeGreaterThanOrEqual(tasksCount);
  });

  test('when the host has left the swarm, its containers go', async () => {
    start();
    await eventually('a session', () => swarm.dispatcher.sessions === 1);
    await removeIdentity(dataDir);
    await eventually('nothing left', async () => (await mine()).length === 0);
    const report = await eventually('standby', async () => {
      const found = await health();
      return found.detail === 'the host is in no swarm' && found;
    });
    expect(report).toMatchObject({ ready: true, role: 'standby' });
  });
});
