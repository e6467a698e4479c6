// Tools that stay, real ones. The clock is fast where one has to give up.
import { existsSync } from 'node:fs';
import { type Clock, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BatchProcess } from './batch-process.ts';
import { BatchProcesses } from './batch-processes.ts';
import { canMakeNamespaces, ip, ownTools } from './testing/scratch-host.ts';

const fastClock: Clock = { ...systemClock, after: (ms, fire) => systemClock.after(ms / 50, fire) };

describe('a tool that stays', () => {
  let tool: BatchProcess;
  afterEach(() => tool.end());

  test('does request after request, and says when a line is refused', async () => {
    tool = new BatchProcess('ip', undefined, systemClock);
    const outcomes = [
      tool.run(['link show dev lo']),
      tool.run(['link show dev nothing0', 'link show dev lo']),
      tool.run(['link show dev lo', 'addr show dev lo']),
    ];
    expect(await Promise.all(outcomes)).toEqual(['done', 'refused', 'done']);
    await tool.end();
    tool = new BatchProcess('bridge', undefined, systemClock);
    expect(await tool.run(['link show'])).toBe('done');
    expect(await tool.run(['fdb show dev nothing0'])).toBe('refused');
  });

  test('is given up when it does not answer in time', async () => {
    tool = new BatchProcess('ip', undefined, fastClock);
    // Goes on for ever.
    const outcomes = [tool.run(['monitor link']), tool.run(['link show dev lo'])];
    expect(await Promise.all(outcomes)).toEqual(['hung', 'hung']);
    expect(tool.isOver).toBe(true);
  });

  test('is given up when it says too much', async () => {
    tool = new BatchProcess('ip', undefined, systemClock);
    expect(await tool.run(Array(2_000).fill('nothing'))).toBe('flooded');
  });

  test('that was killed says so to those who wait, and to all after them', async () => {
    tool = new BatchProcess('ip', undefined, systemClock);
    const waiting = tool.run(['monitor link']);
    for (const pid of ownTools()) process.kill(pid, 'SIGKILL');
    expect(await waiting).toBe('ended');
    expect(await tool.run(['link show dev lo'])).toBe('ended');
  });

  test.each([
    ['where its namespace is not there', '/run/netns/shoal-nothing'],
    // Node throws for this one instead of telling of an error.
    ['where no process can be given the name', 'x'.repeat(200_000)],
  ])('that cannot be begun is lost, %s', async (_where, path) => {
    tool = new BatchProcess('ip', path, systemClock);
    expect(await tool.run(['link show dev lo'])).toBe('ended');
    expect(tool.isOver).toBe(true);
  });
});

describe.runIf(canMakeNamespaces())('tools that stay in namespaces', () => {
  const namespace = `shoalb-${process.pid}`;
  const path = `/run/netns/${namespace}`;
  let events: string[];
  let processes: BatchProcesses;
  const begin = (clock: Clock): BatchProcesses =>
    new BatchProcesses({
      clock,
      pathOf: (name) => `/run/netns/${name}`,
      began: (tool) => events.push(tool),
      lost: (tool, reason) => events.push(`${tool} ${reason}`),
    });

  beforeEach(() => {
    ip('netns', 'add', namespace);
    events = [];
    processes = begin(systemClock);
  });
  afterEach(async () => {
    await processes.close();
    expect(ownTools()).toEqual([]);
    if (existsSync(path)) ip('netns', 'del', namespace);
  });

  test('one of a kind does all, and a warm one is taken', async () => {
    processes.warm('ip', namespace);
    expect(await processes.run('ip', namespace, ['link set lo up'])).toBe('done');
    expect(await processes.run('ip', namespace, ['link add br0 type bridge'])).toBe('done');
    expect(await processes.run('bridge', namespace, ['fdb show dev br0'])).toBe('done');
    expect(events).toEqual(['ip', 'bridge']);
    expect(ip('-n', namespace, 'link')).toContain('br0');
  });

  test('a namespace of the same name is another one', async () => {
    await processes.run('ip', namespace, ['link set lo up']);
    ip('netns', 'del', namespace);
    expect(await processes.run('ip', namespace, ['link set lo up'])).toBeUndefined();
    ip('netns', 'add', namespace);
    expect(await processes.run('ip', namespace, ['link add br1 type bridge'])).toBe('done');
    expect(ip('-n', namespace, 'link')).toContain('br1');
  });

  test('one that was killed or has refused is followed by another', async () => {
    processes.warm('ip', namespace);
    for (const pid of ownTools()) process.kill(pid, 'SIGKILL');
    expect(await processes.run('ip', namespace, ['link set lo up'])).toBe('ended');
    expect(await processes.run('ip', namespace, ['link set lo up'])).toBe('done');
    expect(await processes.run('ip', namespace, ['link set nothing0 up'])).toBe('refused');
    expect(await processes.run('ip', namespace, ['link set lo up'])).toBe('done');
    expect(events).toEqual(['ip', 'ip ended', 'ip', 'ip']);
  });

  test('one that refuses is gone by the time that its namespace is left', async () => {
    for (let round = 0; round < 5; round += 1) {
      expect(await processes.run('ip', namespace, ['link set nothing0 up'])).toBe('refused');
      await processes.leave(namespace);
      expect(ownTools()).toEqual([]);
    }
  });

  test('who leaves keeps nothing of the namespace, who is idle neither', async () => {
    await processes.run('ip', namespace, ['link set lo up']);
    await processes.run('bridge', namespace, ['link show']);
    await processes.leave(namespace);
    expect(ownTools()).toEqual([]);
    processes = begin(fastClock);
    await processes.run('ip', namespace, ['link set lo up']);
    await expect.poll(() => ownTools()).toEqual([]);
  });
});
