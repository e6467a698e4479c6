// Cut and slow lines, killed processes, tasks that come and go; then silence: every machine serves what the log implies.
import { describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { deadlineMs, isRunning, order, taskRows } from '../scheduling/services.ts';
import { logged } from './agent-log.ts';
import { Chaos, type ChaosCounts } from './chaos.ts';
import { useSwarm } from './fleet.ts';
import {
  addressesIn,
  client,
  containersOf,
  fileServer,
  inside,
  lookup,
  serve,
  type TaskContainer,
} from './tasks.ts';

const seeds = Number(process.env['SHOAL_CHAOS_SEEDS'] ?? '20');
const firstSeed = Number(process.env['SHOAL_CHAOS_FROM'] ?? '1');
/** Time in which things go wrong, milliseconds. */
const chaosMs = 20_000;
/** After silence everything must be right within this, milliseconds. */
const recoveryMsMax = 10_000;
const testMs = 180_000;

const swarm = useSwarm();

interface Drift {
  readonly Hosts: readonly {
    readonly Network: { readonly Name: string };
    readonly Host: { readonly Hostname: string };
    readonly Names: string;
    readonly Balancer: string;
    readonly Peers: string;
    readonly Problems: readonly string[];
  }[];
  readonly Gaps: readonly string[];
}

/** Where a machine serves something else than the log implies, or nobody knows what. */
async function wrong(): Promise<readonly string[]> {
  const call = { method: 'GET', path: '/shoal/v1/net/verify' };
  const { status, body } = await swarm().m1.http(call);
  if (status !== 200) return [`verify answers ${status}: ${body}`];
  const { Hosts, Gaps } = JSON.parse(body) as Drift;
  const differing = Hosts.flatMap(({ Network, Host, Names, Balancer, Peers, Problems }) => {
    if ([Names, Balancer, Peers].every((each) => each === 'ok')) return [];
    const what = `names ${Names}, balancer ${Balancer}, peers ${Peers}; ${Problems.join('; ')}`;
    return [`${Host.Hostname} in ${Network.Name}: ${what}`];
  });
  return [...Gaps, ...differing];
}

/** Tasks are as they are to be: from here on the log says the same. */
async function atRest(services: ReadonlyMap<string, number>): Promise<void> {
  for (const [name, replicas] of services)
    await eventually(
      `${name} has its tasks`,
      async () => {
        const rows = await taskRows(swarm().m1, name);
        const wanted = rows.filter(({ desired }) => desired === 'Running');
        // Who was scaled away is listed no more, and may run for a moment yet.
        const containers = await containersOf(swarm(), name);
        return (
          wanted.length === replicas && wanted.every(isRunning) && containers.length === replicas
        );
      },
      deadlineMs,
    );
}

/** A container of each machine that has one. */
async function oneOfEachMachine(service: string): Promise<readonly TaskContainer[]> {
  const containers = await containersOf(swarm(), service);
  return [...new Map(containers.map((each) => [each.machine, each])).values()];
}

/** That resolvers really answer what the digests say: containers of all machines ask for all tasks. */
async function askForAll(services: ReadonlyMap<string, number>): Promise<void> {
  for (const name of services.keys()) {
    const wanted = await addressesIn(swarm(), name, 'demo');
    for (const container of await oneOfEachMachine(name))
      await eventually(
        `tasks.${name} on ${container.machine.name}`,
        async () => {
          const found = await lookup(container, `tasks.${name}`);
          if (found.join() === wanted.join()) return true;
          throw new Error(`${found.join()} is not ${wanted.join()}`);
        },
        recoveryMsMax,
      );
  }
}

/** By then gossip has given an agent up, on machines that are busy as well; milliseconds. */
const givenUpMsMax = 45_000;
/** Three of them are more than that: the managers must not call the node down meanwhile. */
const heartbeat = { usual: '5s', rare: '30s' } as const;
/** Its tasks are looked at for so long after that, milliseconds. */
const afterwardsMs = 2_000;

/** Agents hear of another heartbeat in a new session. */
async function setHeartbeat(period: string, machine: Machine): Promise<void> {
  await order(swarm().m1, 'swarm', 'update', `--dispatcher-heartbeat=${period}`);
  const before = logged(machine, 'session_registered', '');
  await machine.killProcess('agent');
  await eventually(
    'the agent has a new session',
    () => logged(machine, 'session_registered', '') !== before,
    deadlineMs,
  );
}

describe('an agent that is away for a while', () => {
  test('takes none of its tasks out of names and balancers', async () => {
    const { m1, w1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    const there = ['--network=demo', '--constraint=node.hostname==w1'];
    await serve(swarm(), 'web', 1, there, fileServer);
    const caller = await client(swarm(), '--network=demo', '--constraint=node.hostname==w2');
    await setHeartbeat(heartbeat.rare, w1);
    const found = await eventually('the name is known', async () => {
      const addresses = await lookup(caller, 'tasks.web');
      return addresses.length === 1 && addresses;
    });
    const pid = String(w1.processes().get('agent'));
    await w1.exec('kill', '-STOP', pid);
    try {
      const isGivenUp = (): boolean =>
        logged(caller.machine, 'gossip_member', w1.address)?.includes('"dead"') === true;
      await eventually('gossip has given the agent up', isGivenUp, givenUpMsMax);
      const end = performance.now() + afterwardsMs;
      while (performance.now() < end) {
        expect(await lookup(caller, 'tasks.web')).toEqual(found);
        await inside(caller, 'wget', '-qO-', 'http://web:8000');
      }
    } finally {
      await w1.exec('kill', '-CONT', pid);
    }
    await setHeartbeat(heartbeat.usual, w1);
  });
});

describe('after chaos', () => {
  const all = Array.from({ length: seeds }, (_, at) => firstSeed + at);
  test.each(all)(
    'every machine serves what the log implies within 10 s: seed %i',
    { timeout: testMs },
    async (seed) => {
      const { m1 } = swarm();
      await order(m1, 'network', 'create', '--driver=overlay', 'demo');
      const idle = ['sleep', '1d'];
      await serve(swarm(), 'web', 3, ['--network=demo', '--publish=8000:8000'], idle);
      await serve(swarm(), 'worker', 2, ['--network=demo', '--endpoint-mode=dnsrr'], idle);
      const chaos = new Chaos(
        swarm(),
        seed,
        new Map([
          ['web', 3],
          ['worker', 2],
        ]),
      );
      const counts: ChaosCounts = await chaos.run(chaosMs);
      await atRest(chaos.services);
      const since = performance.now();
      await eventually(
        'no machine differs',
        async () => {
          const found = await wrong();
          if (found.length > 0) throw new Error(found.join('\n'));
          return true;
        },
        recoveryMsMax,
      );
      const ms = Math.round(performance.now() - since);
      await askForAll(chaos.services);
      console.log(`seed ${seed}: right after ${ms} ms; ${JSON.stringify(counts)}`);
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
    },
  );
});
