import { deepStrictEqual, fail, ok, strictEqual } from 'node:assert/strict';
import {
  ask,
  askPublished,
  assertDigests,
  assertEven,
  assertSources,
  type Case,
  isTask,
} from './asking.ts';
import { serviceCases } from './service-cases.ts';
import { balancerAddresses, hostAddress, hostNames, type TaskName, taskNames } from './topology.ts';
import { publishedPort, targetPort, type World } from './world.ts';

const attemptsMax = 100;

/** A connection of the client to the service, and who serves it. */
async function opened(world: World): Promise<{ connection: number; task: TaskName }> {
  const connection = await world
    .peer('client')
    .call('open', { host: world.virtualIp(), port: targetPort });
  const { name } = await world.peer('client').call('say', { connection });
  const task = taskNames.find((each) => each === name);
  return task === undefined ? fail(`no task answered: ${name}`) : { connection, task };
}

function others(task: TaskName): readonly TaskName[] {
  return taskNames.filter((each) => each !== task);
}

export const cases: readonly Case[] = [
  ...serviceCases,
  {
    name: 'connections to the virtual address spread evenly over tasks of both hosts',
    async run(world, scale) {
      assertEven(await ask(world, 3_000 * scale));
      await assertDigests(world);
    },
  },
  {
    name: 'a virtual address of IPv6 does the same',
    async run(world) {
      assertEven(await ask(world, 40, 6));
    },
  },
  {
    name: 'tasks see the balancer of the client, which answers pings as well',
    async run(world) {
      assertSources(await ask(world, 8), '10.77.1.241');
      const args = ['ping', '-c1', '-W2', world.virtualIp()];
      const said = await world.kernel(world.topology.path('client'), 'busybox', ...args);
      ok(said.includes('1 packets received'), said);
    },
  },
  {
    name: 'a task that calls its own service reaches all tasks, itself included',
    async run(world) {
      const tally = await world
        .peer('t1')
        .call('ask', { host: world.virtualIp(), port: targetPort, times: 40, atOnce: 1 });
      assertEven(tally);
    },
  },
  {
    name: 'a draining task keeps its connections and gets no new ones, on any host',
    async run(world) {
      const { connection, task } = await opened(world);
      await world.change([task], { serving: false });
      strictEqual((await world.peer('client').call('say', { connection })).name, task);
      assertEven(await ask(world, 60), others(task));
      for (const host of hostNames) {
        assertEven(await askPublished(world, 'outside', hostAddress(host), 30), others(task));
      }
      strictEqual((await world.peer('client').call('say', { connection })).name, task);
      await assertDigests(world);
    },
  },
  {
    name: 'connections to a task that is gone end',
    async run(world) {
      const { connection, task } = await opened(world);
      await world.remove([task]);
      const { name } = await world.peer('client').call('say', { connection });
      ok(name === 'ECONNRESET' || name === 'EPIPE' || name === 'closed', name);
      assertEven(await ask(world, 60), others(task));
    },
  },
  {
    name: 'a service without a serving task refuses at once, also by its published port',
    async run(world) {
      await world.change(taskNames, { serving: false });
      deepStrictEqual(await ask(world, 4), { names: {}, sources: {}, errors: { ECONNREFUSED: 4 } });
      deepStrictEqual(await askPublished(world, 'outside', hostAddress('c'), 4), {
        names: {},
        sources: {},
        errors: { ECONNREFUSED: 4 },
      });
      await world.remove(taskNames);
      deepStrictEqual(await ask(world, 4), { names: {}, sources: {}, errors: { ECONNREFUSED: 4 } });
      await world.change(taskNames, { serving: true });
      assertEven(await ask(world, 40));
    },
  },
  {
    name: 'a task that refuses is heard, also by clients that came through another host',
    async run(world) {
      await world.remove(others('t3'));
      await world.stopTask('t3');
      try {
        for (const family of [4, 6] as const) {
          const { errors } = await askPublished(world, 'outside', hostAddress('c', family), 4);
          deepStrictEqual(errors, { ECONNREFUSED: 4 });
        }
      } finally {
        await world.startTask('t3');
      }
    },
  },
  {
    name: 'a UDP flow stays with its task and moves when that is gone',
    async run(world) {
      const flow = { socket: 1, host: world.virtualIp(), port: targetPort };
      const client = world.peer('client');
      const first = await client.call('send', flow);
      const task = taskNames.find((each) => each === first.name);
      if (task === undefined) return fail(first.name);
      strictEqual((await client.call('send', flow)).name, task);
      await world.remove([task]);
      // IPVS throws the first packet to a backend that is gone away.
      const next = [await client.call('send', flow), await client.call('send', flow)];
      ok(
        others(task).some((each) => each === next[1]?.name),
        JSON.stringify(next),
      );
    },
  },
  {
    name: 'a UDP flow that began before its service had a task finds one',
    async run(world) {
      await world.remove(taskNames);
      const flow = { socket: 2, host: hostAddress('a'), port: publishedPort };
      const outside = world.peer('outside');
      const before = await outside.call('send', flow);
      ok(before.source === '', before.name);
      await world.reset();
      const after = await outside.call('send', { ...flow, socket: 3 });
      ok(
        taskNames.some((each) => each === after.name),
        after.name,
      );
    },
  },
  {
    name: 'changes under traffic cost no connection',
    async run(world, scale) {
      const asked = ask(world, 2_000 * scale);
      let done = false;
      const finished = asked.finally(() => {
        done = true;
      });
      for (let at = 0; !done && at < attemptsMax; at += 1) {
        const task = taskNames[at % taskNames.length] ?? 't1';
        await world.change([task], { serving: false });
        await world.change([task], { serving: true });
      }
      deepStrictEqual((await finished).errors, {});
    },
  },
  {
    name: 'every host answers on a published port, and tasks see the client',
    async run(world) {
      for (const host of hostNames) {
        const tally = await askPublished(world, 'outside', hostAddress(host), 120);
        assertEven(tally);
        assertSources(tally, hostAddress('outside'));
      }
    },
  },
  {
    name: 'published ports and clients’ addresses work over IPv6 as well',
    async run(world) {
      for (const host of hostNames) {
        const tally = await askPublished(world, 'outside', hostAddress(host, 6), 40);
        assertEven(tally);
        assertSources(tally, hostAddress('outside', 6));
      }
    },
  },
  {
    name: 'a host reaches published ports by its loopback and its own address',
    async run(world) {
      for (const host of ['127.0.0.1', hostAddress('a'), hostAddress('b')]) {
        assertEven(await askPublished(world, 'a', host, 40));
      }
    },
  },
  {
    name: 'UDP comes through a published port, over IPv4 from the client itself',
    async run(world) {
      const outside = world.peer('outside');
      for (const [at, host] of hostNames.entries()) {
        const flow = { socket: 10 + at, host: hostAddress(host), port: publishedPort };
        for (const attempt of [1, 2]) {
          const { name, source } = await outside.call('send', flow);
          ok(isTask(name), `${attempt}: ${name}`);
          strictEqual(source, hostAddress('outside'));
        }
        const overIpv6 = { ...flow, socket: 20 + at, host: hostAddress(host, 6) };
        const { name, source } = await outside.call('send', overIpv6);
        ok(isTask(name), name);
        strictEqual(source, balancerAddresses('ingress', host)[1]);
      }
    },
  },
  {
    name: 'a service that asks for it sees the balancer instead of its clients',
    async run(world) {
      await world.change(taskNames, { sourceAddress: 'masquerade' });
      const tally = await askPublished(world, 'outside', hostAddress('c'), 40);
      assertEven(tally);
      assertSources(tally, '10.77.0.243');
    },
  },
  {
    name: 'a task whose replies cannot be led is masqueraded, and its host says so',
    async run(world) {
      const sandbox = world.topology.path('no-such');
      await world.local('a', {
        local: [
          { endpointId: 't1', sandbox, mac: '', addresses: ['10.77.0.11'], networks: ['ingress'] },
        ],
      });
      const tally = await askPublished(world, 'outside', hostAddress('a'), 40);
      assertEven(tally);
      strictEqual(tally.sources['10.77.0.241'], 10);
      const problems = world.balancer('a').problems;
      ok(problems[0]?.startsWith('t1 sees the balancer instead of its clients'), problems[0]);
      const served = world.balancer('a').served();
      const said = served.find(({ networkId }) => networkId === 'ingress');
      deepStrictEqual(said?.unsteered, ['t1']);
      // As its agent tells the other hosts then.
      await world.change(['t1'], { sourceAddress: 'masquerade' });
      const elsewhere = await askPublished(world, 'outside', hostAddress('c'), 40);
      strictEqual(elsewhere.sources['10.77.0.243'], 10);
      await world.local('a', {});
    },
  },
  {
    name: 'a service that names its clients is closed to all others, and to no host',
    async run(world) {
      const outside = [`${hostAddress('outside')}/32`, `${hostAddress('outside', 6)}/128`];
      const others = ['192.0.2.0/24', '2001:db8::/32'];
      const address = (family: 4 | 6): string => hostAddress('c', family);
      await world.change(taskNames, { allowed: [...outside, ...others].sort() });
      for (const family of [4, 6] as const)
        assertEven(await askPublished(world, 'outside', address(family), 20));
      strictEqual(await world.balancer('c').audit(), false);
      for (const sourceAddress of ['keep', 'proxy-protocol'] as const) {
        await world.change(taskNames, { allowed: others, sourceAddress });
        for (const family of [4, 6] as const) {
          const { names } = await askPublished(world, 'outside', address(family), 1);
          deepStrictEqual(names, {}, `${sourceAddress}, IPv${family}`);
        }
      }
      await world.change(taskNames, { allowed: others });
      const flow = { socket: 40, host: address(4), port: publishedPort };
      strictEqual((await world.peer('outside').call('send', flow)).name, 'timeout');
      const { errors } = await askPublished(world, 'c', address(4), 4);
      deepStrictEqual(errors, {});
      await world.change(taskNames, {});
      assertEven(await askPublished(world, 'outside', address(4), 20));
    },
  },
  {
    name: 'clients of a service that hashes them always come to the same task',
    async run(world) {
      await world.change(taskNames, { balance: 'sh' });
      const { names, errors } = await askPublished(world, 'outside', hostAddress('b'), 20);
      deepStrictEqual([errors, Object.values(names)], [{}, [20]]);
    },
  },
  {
    name: 'a firewall that forwards nothing is opened for published ports only',
    async run(world) {
      const host = world.topology.path('b');
      await world.kernel(host, 'iptables', '-P', 'FORWARD', 'DROP');
      await world.balancer('b').audit();
      assertEven(await askPublished(world, 'outside', hostAddress('b'), 40));
      const rules = await world.kernel(host, 'iptables', '-S', 'FORWARD');
      strictEqual(rules.trim().split('\n').length, 3);
      await world.balancer('b').audit();
      strictEqual(await world.kernel(host, 'iptables', '-S', 'FORWARD'), rules);
      await world.kernel(host, 'iptables', '-P', 'FORWARD', 'ACCEPT');
    },
  },
  {
    name: 'a restarted balancer changes nothing, and open connections go on',
    async run(world) {
      const { connection, task } = await opened(world);
      const inside = world.topology.namespaceOf('a', 'demo');
      const look = async () => [
        await world.kernel(inside, 'nft', '-a', 'list', 'ruleset'),
        await world.kernel(world.topology.path('a'), 'nft', '-a', 'list', 'ruleset'),
        // Without elements: clients that are remembered come and go.
        await world.kernel(world.topology.path('t1'), 'nft', '-a', '-t', 'list', 'ruleset'),
        await world.kernel(inside, 'ip', '-o', 'address', 'show', 'dev', 'br0'),
      ];
      const before = await look();
      await world.restart('a');
      deepStrictEqual(await look(), before);
      strictEqual((await world.peer('client').call('say', { connection })).name, task);
      await assertDigests(world);
    },
  },
  {
    name: 'an audit puts back what somebody took away, and says so',
    async run(world) {
      const inside = world.topology.namespaceOf('a', 'demo');
      const damages: readonly (readonly [string, ...string[]])[] = [
        [inside, 'nft', 'flush', 'ruleset'],
        [inside, 'ip', 'address', 'del', `${world.virtualIp()}/32`, 'dev', 'br0'],
        [inside, 'ip', 'address', 'add', '10.77.1.99/32', 'dev', 'br0'],
        [world.topology.path('a'), 'nft', 'flush', 'chain', 'inet', 'shoal_ingress', 'prerouting'],
        [world.topology.path('t1'), 'nft', 'delete', 'table', 'inet', 'shoal'],
        [world.topology.path('t2'), 'ip', 'rule', 'flush', 'pref', '21320'],
      ];
      for (const [namespace, program = '', ...args] of damages) {
        await world.kernel(namespace, program, ...args);
        strictEqual(await world.balancer('a').audit(), true, args.join(' '));
      }
      strictEqual(await world.balancer('a').audit(), false);
      assertEven(await ask(world, 40));
      assertEven(await askPublished(world, 'outside', hostAddress('a'), 40));
      await assertDigests(world);
    },
  },
  {
    name: 'a host that leaves the swarm has nothing of it left',
    async run(world) {
      await world.leave('c');
      const host = world.topology.path('c');
      strictEqual((await world.kernel(host, 'nft', 'list', 'tables')).includes('shoal'), false);
      strictEqual((await world.kernel(host, 'ip', '-o', 'link')).includes('shoal'), false);
    },
  },
];
