import type { Instant } from '@shoal/runtime';
import type { TaskAssignment, TaskStatus } from '@shoal/state';
import { expect, test, vi } from 'vitest';
import { FakeEngine } from '../testing/fake-engine.ts';
import { assignment, NetworkedHost } from '../testing/networked-host.ts';
import { sampleNode } from '../testing/sample-task.ts';
import { sampleWorker, storeOf } from '../testing/sample-worker.ts';

const running: TaskStatus = {
  ...{ state: 'running', at: 1 as Instant, message: 'started', err: '' },
  container: { id: 'container-of-t', pid: 1, exitCode: 0 },
};

const checkedTask = assignment('t', {
  template: {
    ContainerSpec: { Image: 'i', Healthcheck: { Test: ['CMD', 'x'] } },
    ForceUpdate: 0,
  },
});

test.each<[what: string, assigned: readonly TaskAssignment[], kept: TaskStatus | undefined]>([
  ['is unhealthy', [checkedTask], running],
  ['is to stop', [{ ...assignment('t', { desired: 'shutdown' }), networks: [] }], running],
  ['is no longer assigned', [], running],
  ['nobody knows of', [], undefined],
])(
  'after a restart of the agent a task that %s stops when nobody sends to it any more',
  async (_what, assigned, kept) => {
    const host = await NetworkedHost.start();
    host.inNetwork();
    host.networking.joined(assignment('t'), 'container-of-t', sampleNode);
    await host.finished(host.networking.serve('t'));
    expect(host.published('t')).toMatchObject({ serving: true });
    await host.restart();
    host.overlay.build('n');
    const engine = new FakeEngine();
    await engine.create(assignment('t'));
    await engine.start('container-of-t');
    if (assigned[0] === checkedTask) engine.becomes('t', 'unhealthy');
    const drain = vi.spyOn(host.networking, 'drain');
    const seen: unknown[] = [];
    const stop = engine.stop.bind(engine);
    vi.spyOn(engine, 'stop').mockImplementation((name) => {
      const isServing = host.published('t')?.serving === true;
      seen.push([isServing, drain.mock.settledResults.map(({ type }) => type)]);
      return stop(name);
    });
    const { clock, networking } = host;
    const store = storeOf(new Map(kept === undefined ? [] : [['t', kept]]));
    const { worker } = sampleWorker({ engine, clock, networking, store });
    await vi.waitFor(() => expect(worker.engineSeen).toBe(true));
    worker.assignAll(assigned);
    await host.advance(10_000);
    expect(engine.runs('t')).toBe(false);
    expect(seen).toEqual([[false, ['fulfilled']]]);
    await worker.stop();
    await host.end();
  },
);
