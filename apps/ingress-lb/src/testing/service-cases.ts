import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import {
  ask,
  askPublished,
  assertDigests,
  assertEven,
  assertSources,
  type Case,
  isTask,
} from './asking.ts';
import type { Tally } from './peer.ts';
import {
  address,
  balancerAddresses,
  hostAddress,
  hostNames,
  taskAddresses,
  taskNames,
} from './topology.ts';
import { publishedPort, targetPort } from './world.ts';

/** Rolling updates, the PROXY protocol, SCTP, and what is closed. */
export const serviceCases: readonly Case[] = [
  {
    name: 'rolling updates under constant load lose none of 10 000 requests',
    isWhole: true,
    async run(world, scale) {
      await world.remove(['t4']);
      let replaced = 0;
      const asked: Promise<Tally>[] = [];
      const load = async (
        client: number,
        round: (times: number) => Promise<Tally>,
      ): Promise<number> => {
        let answered = 0;
        while (answered < 5_000 * scale || replaced < taskNames.length) {
          const asking = round(250);
          asked[client] = asking;
          const { names, errors } = await asking;
          deepStrictEqual(errors, {});
          answered += Object.values(names).reduce((sum, count) => sum + count, 0);
        }
        return answered;
      };
      const loads = Promise.all([
        load(0, (times) => ask(world, times)),
        load(1, (times) => askPublished(world, 'outside', hostAddress('c'), times)),
      ]);
      let done = false;
      const ended = (): void => {
        done = true;
      };
      loads.then(ended, ended);
      try {
        // Three replicas; the fourth place is where the next task starts.
        for (; !done; replaced += 1) {
          const [stops = 't1', starts = 't4'] = [
            taskNames[replaced % 4],
            taskNames[(replaced + 3) % 4],
          ];
          await world.startTask(starts);
          await world.change([starts], { serving: true });
          await world.change([stops], { serving: false });
          // It drains: a connection that was on its way when the hosts changed is still taken.
          await Promise.allSettled(asked);
          await world.stopTask(stops);
          await world.remove([stops]);
        }
        for (const answered of await loads) ok(answered >= 5_000 * scale);
      } finally {
        await Promise.all(taskNames.map((task) => world.startTask(task)));
      }
    },
  },
  {
    name: 'SCTP comes to the virtual address and through published ports, from the client itself',
    needs: 'sctp',
    async run(world) {
      const end = await world.serveSctp();
      try {
        const names = new Set<string>();
        for (let at = 0; at < 8; at += 1) {
          const said = await world.askSctp('client', world.virtualIp(), targetPort);
          strictEqual(said.source, '10.77.1.241');
          names.add(said.name);
        }
        deepStrictEqual([...names].sort(), [...taskNames]);
        for (const host of hostNames) {
          const said = await world.askSctp('outside', hostAddress(host), publishedPort);
          ok(isTask(said.name), said.name);
          strictEqual(said.source, hostAddress('outside'));
        }
      } finally {
        end();
      }
    },
  },
  {
    name: 'a service that asks for it is told of its clients by the PROXY protocol',
    async run(world) {
      await world.change(taskNames, { sourceAddress: 'proxy-protocol' });
      for (const host of hostNames) {
        for (const family of [4, 6] as const) {
          const tally = await askPublished(world, 'outside', hostAddress(host, family), 40);
          assertEven(tally);
          assertSources(tally, hostAddress('outside', family));
        }
      }
      assertEven(await askPublished(world, 'a', '127.0.0.1', 8));
      const flow = { socket: 30, host: hostAddress('a'), port: publishedPort };
      const { source } = await world.peer('outside').call('send', flow);
      strictEqual(source, balancerAddresses('ingress', 'a')[0]);
      await assertDigests(world);
      await world.change(taskNames, { serving: false, sourceAddress: 'proxy-protocol' });
      const { errors } = await askPublished(world, 'outside', hostAddress('c'), 4);
      deepStrictEqual(errors, { ECONNRESET: 4 });
    },
  },
  {
    name: 'in the ingress network others reach what a task publishes, and nothing else of it',
    async run(world) {
      const [v4 = '', v6 = ''] = taskAddresses('ingress', 't3');
      const asked = async (from: 't1' | 't3', host: string) => {
        const { names, errors } = await world
          .peer(from)
          .call('ask', { host, port: targetPort, times: 1 });
        return { ...names, ...errors };
      };
      const elsewhere = taskAddresses('demo', 't3')[0] ?? '';
      deepStrictEqual(await asked('t1', v4), { t3: 1 });
      const open = { host: v4, port: targetPort };
      const connection = await world.peer('t1').call('open', open);
      const other = { protocol: 'tcp', targetPort: targetPort + 1, publishedPort } as const;
      await world.change(taskNames, { ports: [other] });
      for (const host of [v4, v6, address('ingress', 2)]) {
        deepStrictEqual(await asked('t1', host), { timeout: 1 }, host);
      }
      strictEqual((await world.peer('t1').call('say', { connection })).name, 't3');
      deepStrictEqual(await asked('t3', v4), { t3: 1 });
      deepStrictEqual(await asked('t1', elsewhere), { t3: 1 });
      const ping = ['ping', '-c1', '-W2', v4];
      const said = await world.kernel(world.topology.path('t1'), 'busybox', ...ping);
      ok(said.includes('1 packets received'), said);
      // A way round by the address in another network.
      const route = `route add ${elsewhere}/32 via ${v4}`;
      await world.kernel(world.topology.path('t1'), 'ip', ...route.split(' '));
      deepStrictEqual(await asked('t1', elsewhere), { timeout: 1 });
      await world.kernel(world.topology.path('t1'), 'ip', 'route', 'del', `${elsewhere}/32`);
    },
  },
  {
    name: 'an audit closes what somebody opened',
    async run(world) {
      const sandbox = world.topology.path('t1');
      const table = ['inet', 'shoal'];
      for (const damage of [
        ['add', 'element', ...table, 'ports', '{ tcp . 9000 }'],
        ['flush', 'chain', ...table, 'own'],
        ['flush', 'set', ...table, 'own4'],
      ]) {
        await world.kernel(sandbox, 'nft', ...damage);
        strictEqual(await world.balancer('a').audit(), true, damage.join(' '));
        strictEqual(await world.balancer('a').audit(), false, damage.join(' '));
      }
    },
  },
];
