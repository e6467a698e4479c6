// Tasks, processes and machines that die: nobody is sent to them for long, and what lives is not disturbed.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { allReady } from '../managers/swarm.ts';
import { deadlineMs, order } from '../scheduling/services.ts';
import { agentLog, logged, timeOf } from './agent-log.ts';
import { useSwarm } from './fleet.ts';
import { get } from './outside.ts';
import {
  client,
  fileServer,
  inside,
  lookup,
  serve,
  type TaskContainer,
  tally,
  tryInside,
} from './tasks.ts';

const swarm = useSwarm();

const endState = /"state":"(failed|complete|shutdown)"/;
/** From its agent's notice until nobody names a task that died, milliseconds; as in the product's promise. */
const forgottenMsMax = 1_000;

describe('a task that dies', () => {
  test('leaves names and balancers of every machine within a second of its agent noticing', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    const flags = ['--network=demo', '--restart-condition=none'];
    const tasks = await serve(swarm(), 'web', 3, flags, fileServer);
    const callers = await serve(swarm(), 'callers', 3, ['--network=demo'], ['sleep', '1d']);
    for (const caller of callers)
      await eventually('three tasks are found', async () => {
        return (await lookup(caller, 'tasks.web')).length === 3;
      });
    const [victim] = tasks;
    if (victim === undefined) throw new Error('there is no task');
    const watches = callers.map((caller) => untilForgotten(caller, 'tasks.web', 3));
    await victim.machine.engine('kill', victim.id);
    const forgotten = await Promise.all(watches);
    const noticed = await eventually('the agent has noticed', () => noticedAt(victim));
    for (const { at, gapMs } of forgotten)
      expect(at - noticed).toBeLessThan(forgottenMsMax + gapMs);
    for (const caller of callers) {
      const { failures } = await tally(20, () => inside(caller, 'wget', '-qO-', 'http://web:8000'));
      expect(failures).toEqual([]);
    }
  });
});

/** When the kernel booted, milliseconds of the wall clock: all machines have the same kernel. */
function bootedAt(): number {
  return Date.now() - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000;
}

/**
 * Asks again and again until fewer than `count` tasks have the name: when that was, milliseconds of the wall
 * clock, and the pause between the last two answers, which it may have been before.
 */
async function untilForgotten(
  caller: TaskContainer,
  name: string,
  count: number,
): Promise<{ readonly at: number; readonly gapMs: number }> {
  // Without any answer the name is not forgotten: it was not found out.
  const script = `n=${count}; while [ "$n" -ge ${count} ] || [ "$n" -eq 0 ]; do
    n=$(nslookup ${name} 2>/dev/null | grep -c '^Address.* 10\\.'); cut -d' ' -f1 /proc/uptime
  done`;
  const booted = bootedAt();
  const said = await inside(caller, 'timeout', '60', 'sh', '-c', script);
  const times = said
    .trim()
    .split('\n')
    .map((seconds) => booted + Number(seconds) * 1_000);
  const at = times.at(-1) ?? Number.NaN;
  return { at, gapMs: at - (times.at(-2) ?? at) };
}

/** When the agent of the task's machine wrote that its container ended, milliseconds of the wall clock. */
function noticedAt({ machine, name }: TaskContainer): number | undefined {
  const task = name.split('.').at(-1) ?? name;
  const isEnd = (line: string): boolean =>
    line.includes('task_moved') && line.includes(task) && endState.test(line);
  const line = agentLog(machine).find(isEnd);
  return line === undefined ? undefined : timeOf(line);
}

describe('a process that dies', () => {
  test('and comes back cuts no connection and changes no answer', async () => {
    const { m1, w1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    await serve(
      swarm(),
      'echo',
      1,
      ['--network=demo', '--constraint=node.hostname==w1'],
      ['nc', '-ll', '-p', '9000', '-e', 'cat'],
    );
    const caller = await client(swarm(), '--network=demo', '--constraint=node.hostname==w2');
    // Asks once a moment on one connection; every line must come back.
    const script =
      'for i in $(seq 1 200); do echo line$i; usleep 100000; done | nc echo 9000 | tail -n 1';
    await eventually('the name is known', async () => (await lookup(caller, 'echo')).length === 1);
    const talk = tryInside(caller, 'sh', '-c', script);
    for (const process of ['ingress-lb', 'dns', 'agent'])
      for (const machine of [w1, caller.machine]) {
        await machine.killProcess(process);
        await eventually(
          `${process} is back on ${machine.name}`,
          async () => (await lookup(caller, 'echo')).length === 1,
          deadlineMs,
        );
      }
    expect((await talk).stdout.trim()).toBe('line200');
  });
});

describe('a machine that dies', () => {
  test('is left out by names and balancers, and comes back', async () => {
    const { fleet, m1, w2 } = swarm();
    await serve(swarm(), 'web', 3, ['--publish=8000:8000'], fileServer);
    await eventually('three tasks answer', async () => {
      return (await tally(12, () => get(m1.address, 8000))).answers.size === 3;
    });
    await w2.kill();
    await eventually(
      'it is silent for the manager',
      () => logged(m1, 'host_silent', '') !== undefined,
      deadlineMs,
    );
    const [givenUp, silent] = [
      logged(m1, 'gossip_member', w2.address),
      logged(m1, 'host_silent', ''),
    ];
    expect(timeOf(silent) - timeOf(givenUp)).toBeLessThan(forgottenMsMax);
    await eventually(
      'nobody is sent there any more',
      async () => {
        const { answers, failures } = await tally(30, () => get(m1.address, 8000, 1_000));
        if (failures.length > 0) throw new Error(failures.join('; '));
        return answers.size >= 2;
      },
      deadlineMs,
    );
    await w2.start();
    await allReady(m1, fleet.machines.length);
    await eventually(
      'it answers again',
      async () => (await tally(9, () => get(w2.address, 8000, 1_000))).failures.length === 0,
      deadlineMs,
    );
  });
});
