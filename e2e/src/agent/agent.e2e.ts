// The agent and the dispatcher as they are, a log in memory, and a real engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, agentMetrics, DockerEngine, StatusStore, statusFile } from '@shoal/agent';
import { channelCredentials, channelOptions } from '@shoal/pki';
import { DispatcherClient, type LogLines } from '@shoal/proto';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { Task, TaskState } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { FakeSwarm } from './fake-swarm.ts';
import { type OwnEngine, startOwnEngine } from './own-engine.ts';

const metrics = agentMetrics(new Registry());

describe('an agent on a real engine', () => {
  let engine: OwnEngine;
  const docker: OwnEngine['docker'] = (...args) => engine.docker(...args);
  let swarm: FakeSwarm;
  let dataDir: string;
  let agent: Agent;

  const startAgent = async (): Promise<Agent> =>
    new Agent({
      identity: swarm.identity,
      updateIdentity: async (change) => change(swarm.identity),
      isOwnAddress: () => true,
      engine: new DockerEngine({
        address: engine.address,
        processors: 2,
        observe: metrics.engineCall,
        clock: systemClock,
      }),
      store: await StatusStore.open(statusFile(dataDir), silentLogger, systemClock),
      version: '0.0.0',
      runDir: dataDir,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics,
    });

  const reached = (id: string, state: TaskState): Promise<Task> =>
    eventually(`${id} is ${state}`, () => {
      const task = swarm.task(id);
      return task?.status.state === state && task;
    });
  const containerOf = async (id: string): Promise<string> =>
    (
      await docker('ps', '-aq', '--no-trunc', '--filter', `label=com.docker.swarm.task.id=${id}`)
    ).trim();
  const sleeper = { Args: ['sleep', '1000'], StopGracePeriod: 0 };

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'shoal-agent-'));
    engine = await startOwnEngine();
    swarm = await FakeSwarm.start();
    agent = await startAgent();
  });
  afterAll(async () => {
    await agent.stop();
    await swarm.stop();
    await engine.stop();
    await rm(dataDir, { recursive: true });
  });

  test('the node becomes ready with its description', async () => {
    const node = await eventually('ready', () => {
      const found = swarm.log.view.nodes.get(swarm.identity.nodeId);
      return found?.status.state === 'ready' && found;
    });
    expect(node.status.addr).toBe('127.0.0.1');
    expect(node.description?.Resources.NanoCPUs).toBeGreaterThan(0);
    expect(node.description?.TLSInfo?.TrustRoot).toBe(swarm.identity.caCertificate);
  });

  test('a task runs in a container that is named and labelled as in Swarm', async () => {
    const service = swarm.service({ ...sleeper, Env: ['WHO={{.Task.Name}}'] });
    const [id = ''] = swarm.assign(service);
    const task = await reached(id, 'running');
    expect(task.status.message).toBe('started');
    expect(task.status.startedAt).toBeGreaterThan(0);
    const [container] = JSON.parse(await docker('inspect', task.status.container?.id ?? ''));
    const name = `${swarm.log.view.services.get(service)?.name}.1.${id}`;
    expect(container.Name).toBe(`/${name}`);
    expect(container.State.Pid).toBe(task.status.container?.pid);
    expect(container.Config.Env).toContain(`WHO=${name}`);
    expect(container.Config.Labels).toMatchObject({
      'com.docker.swarm.task': '',
      'com.docker.swarm.task.id': id,
      'com.docker.swarm.task.name': name,
      'com.docker.swarm.service.id': service,
      'com.docker.swarm.node.id': swarm.identity.nodeId,
    });
  });

  test('a container that is removed by hand fails its task at once', async () => {
    const [id = ''] = swarm.assign(swarm.service(sleeper));
    const { status } = await reached(id, 'running');
    await docker('rm', '-f', status.container?.id ?? '');
    const task = await reached(id, 'failed');
    expect(task.status.err).toBe('task: non-zero exit (137)');
  });

  test('exit codes decide between complete and failed', async () => {
    const [bad = ''] = swarm.assign(swarm.service({ Args: ['sh', '-c', 'exit 3'] }));
    const [good = ''] = swarm.assign(swarm.service({ Args: ['true'] }));
    const failed = await reached(bad, 'failed');
    expect(failed.status.err).toBe('task: non-zero exit (3)');
    expect(failed.status.container?.exitCode).toBe(3);
    const complete = await reached(good, 'complete');
    expect(complete.status).toMatchObject({ message: 'finished', err: '' });
  });

  test('an image that cannot be had rejects the task', async () => {
    const [id = ''] = swarm.assign(swarm.service({ Image: 'localhost:1/nosuch:v1' }));
    const task = await reached(id, 'rejected');
    expect(task.status.err).toBe('No such image: localhost:1/nosuch:v1');
  });

  test('a command that is not there fails the start', async () => {
    const [id = ''] = swarm.assign(swarm.service({ Args: ['/nosuch'] }));
    const task = await reached(id, 'failed');
    expect(task.status.err).toContain('starting container failed: ');
  });

  test('a task waits as ready until it is to run', async () => {
    const [id = ''] = swarm.assign(swarm.service(sleeper), 1, 'ready');
    await reached(id, 'ready');
    expect((await docker('inspect', '-f', '{{.State.Status}}', await containerOf(id))).trim()).toBe(
      'created',
    );
    swarm.desire(id, 'running');
    await reached(id, 'running');
  });

  test('a stopped task keeps its container until the task is deleted', async () => {
    const [id = ''] = swarm.assign(swarm.service(sleeper));
    await reached(id, 'running');
    swarm.desire(id, 'shutdown');
    const task = await reached(id, 'shutdown');
    expect(task.status.message).toBe('shutdown');
    expect(await containerOf(id)).not.toBe('');
    swarm.delete(id);
    await eventually('removed', async () => (await containerOf(id)) === '');
  });

  test('a health check decides when a task runs, and that it fails', async () => {
    const check = (command: string) => ({
      ...sleeper,
      Healthcheck: { Test: ['CMD-SHELL', command], Interval: 200_000_000, Retries: 1 },
    });
    const [good = ''] = swarm.assign(swarm.service(check('true')));
    const [bad = ''] = swarm.assign(swarm.service(check('false')));
    await reached(good, 'running');
    const task = await reached(bad, 'failed');
    expect(task.status.err).toBe('task: non-zero exit (137): dockerexec: unhealthy container');
  });

  test('a restarted agent goes on with what runs, and notices what ended meanwhile', async () => {
    const service = swarm.service(sleeper);
    const [kept = '', killed = '', gone = '', removed = ''] = swarm.assign(service, 4);
    for (const id of [kept, killed, gone, removed]) await reached(id, 'running');
    const before = swarm.task(kept);
    const started = await docker('inspect', '-f', '{{.State.StartedAt}}', await containerOf(kept));
    await agent.stop();
    await docker('kill', await containerOf(killed));
    await docker('rm', '-f', await containerOf(gone));
    swarm.delete(removed);
    agent = await startAgent();
    expect((await reached(killed, 'failed')).status.err).toBe('task: non-zero exit (137)');
    expect((await reached(gone, 'failed')).status.err).toContain('No such container');
    await eventually('removed', async () => (await containerOf(removed)) === '');
    expect(await docker('inspect', '-f', '{{.State.StartedAt}}', await containerOf(kept))).toBe(
      started,
    );
    expect(swarm.task(kept)?.status).toEqual(before?.status);
  });

  test('a container that somebody restarts ends its task, and is stopped', async () => {
    const [id = ''] = swarm.assign(swarm.service(sleeper), 1);
    await reached(id, 'running');
    const container = await containerOf(id);
    await docker('restart', '--time', '0', container);
    await reached(id, 'failed');
    const running = async () =>
      (await docker('inspect', '-f', '{{.State.Running}}', container)).trim();
    await eventually('stopped', async () => (await running()) === 'false');
    await docker('start', container);
    await eventually('stopped again', async () => (await running()) === 'false');
  });

  test('an agent ends while a container takes its time to stop, and the next one tells of it', async () => {
    const script = 'trap "touch /tmp/told" TERM; while :; do sleep 0.1; done';
    const stubborn = { Args: ['sh', '-c', script], StopGracePeriod: 5_000_000_000 };
    const [id = ''] = swarm.assign(swarm.service(stubborn));
    await reached(id, 'running');
    swarm.desire(id, 'shutdown');
    const container = await containerOf(id);
    await eventually('told to stop', () =>
      docker('exec', container, 'ls', '/tmp/told').catch(() => undefined),
    );
    const began = performance.now();
    await agent.stop();
    expect(performance.now() - began).toBeLessThan(2_000);
    agent = await startAgent();
    await reached(id, 'shutdown');
  });

  test('tasks run on while the dispatcher is away, and what happened is reported after', async () => {
    const [id = ''] = swarm.assign(swarm.service(sleeper));
    const { status } = await reached(id, 'running');
    await swarm.restartDispatcher();
    await docker('rm', '-f', status.container?.id ?? '');
    await reached(id, 'failed');
  });

  test('logs of running and finished tasks come line by line, and end', async () => {
    // The engine reads the two streams on their own: only time puts them in order.
    const say = { Args: ['sh', '-c', 'seq 1 3; sleep 0.5; echo oops >&2'] };
    const [id = ''] = swarm.assign(swarm.service(say));
    await reached(id, 'complete');
    await eventually('a session', () => swarm.dispatcher.sessions === 1);
    const { lines, gaps } = await readLogs([id], 2);
    expect(gaps).toEqual([]);
    expect(lines.toSorted()).toEqual(['1 3\n', '2 oops\n']);
  });

  test('an engine that went away fails no task by itself; what it ended is noticed when it is back', async () => {
    const service = swarm.service(sleeper);
    const [before = ''] = swarm.assign(service);
    await reached(before, 'running');
    const restarted = engine.restart();
    await eventually('the engine is gone', () => agent.worker?.engineSeen === false);
    const [during = ''] = swarm.assign(service);
    await restarted;
    expect((await reached(before, 'failed')).status.err).toMatch(/^task: non-zero exit/);
    await reached(during, 'running');
  });

  async function readLogs(taskIds: string[], tail: number) {
    const lines: string[] = [];
    const gaps: string[] = [];
    const subscription = {
      id: 'mine',
      taskIds,
      follow: false,
      tail,
      since: undefined,
      until: undefined,
      stdout: true,
      stderr: true,
    };
    const { dispatcherAddr } = swarm.identity;
    const credentials = channelCredentials(swarm.identity);
    const client = new DispatcherClient(dispatcherAddr, credentials, channelOptions('manager'));
    const call = client.subscribeLogs(subscription);
    for await (const message of call as AsyncIterable<LogLines>) {
      gaps.push(...message.gaps);
      lines.push(...message.lines.map((line) => `${line.stream} ${line.data.toString()}`));
    }
    client.close();
    return { lines, gaps };
  }
});
