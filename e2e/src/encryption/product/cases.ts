import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { CaseOf } from '../run-cases.ts';
import type { Packet } from '../wire.ts';
import { onShoal, type ProductHost } from './host.ts';
import { settled } from './settled.ts';
import {
  type NetworkName,
  networkNames,
  type ProductWorld,
  plainText,
  serviceName,
  servicePort,
  type TaskRow,
} from './world.ts';

const tunnelPort = 4_789;
const encryptedPort = 51_820;
/** Of the machine's own time. */
const settledMsMax = 120_000;
const requests = 5;

const server = `mkdir -p /www; echo ${plainText} >/www/index.html; exec httpd -f -p ${servicePort} -h /www`;

/** Fetches several times from the container of a host; every answer must be right. */
async function fetchAll(
  world: ProductWorld,
  from: ProductHost,
  place: string,
  times = requests,
): Promise<void> {
  const id = await world.container(from);
  const turns = Array.from({ length: times }, (_, at) => at).join(' ');
  const fetching = `for each in ${turns}; do wget -qO- http://${place}:${servicePort}/ 2>&1; done`;
  const said = await from.engine('exec', id, 'sh', '-c', fetching);
  deepStrictEqual(said.trim().split('\n'), Array(times).fill(plainText));
}

/** What passes while both containers fetch from each other over a network. */
async function talk(world: ProductWorld, network: NetworkName): Promise<readonly Packet[]> {
  const { manager, worker } = world;
  const tap = await world.tap();
  for (const [from, to] of [
    [manager, worker],
    [worker, manager],
  ] as const) {
    const address = await world.addressOf(to, network);
    ok(address !== '', `${to.name} has an address in ${network}`);
    await fetchAll(world, from, address);
  }
  return tap.stop();
}

function count(packets: readonly Packet[], port: number): number {
  return packets.filter((packet) => packet.protocol === 'udp' && packet.port === port).length;
}

export const cases: readonly CaseOf<ProductWorld>[] = [
  {
    name: 'a host without wireguard-tools rejects the task and says what is missing where',
    async run(world) {
      const { manager } = world;
      const create = ['network', 'create', '--driver=overlay'];
      await manager.docker(...create, '--opt=encrypted', 'secret');
      await manager.docker(...create, 'open');
      const service = ['service', 'create', '--detach', '--no-resolve-image', '--mode=global'];
      const networks = networkNames.map((name) => `--network=${name}`);
      const options = [...networks, '--stop-signal=KILL', `--name=${serviceName}`];
      await manager.docker(...service, ...options, 'busybox', 'sh', '-c', server);
      let rejected: TaskRow | undefined;
      await settled(
        'one task runs and one is rejected',
        async () => {
          const rows = await world.taskRows();
          rejected = rows.find(({ state }) => state === 'rejected');
          const isServed = rows.some(
            ({ node, state }) => node === 'manager' && state === 'running',
          );
          if (isServed && rejected !== undefined) return true;
          throw new Error(JSON.stringify(rows));
        },
        settledMsMax,
      );
      ok(rejected !== undefined);
      strictEqual(rejected.node, 'worker');
      for (const word of ['secret', 'host worker cannot encrypt', 'install wireguard-tools'])
        ok(rejected.error.includes(word), rejected.error);
    },
  },
  {
    name: 'once they are installed and the agent is started again its task runs',
    async run(world) {
      await world.worker.installWireguardTools();
      await world.worker.kill('agent');
      await settled(
        'both tasks run',
        async () => {
          const rows = await world.taskRows();
          const running = rows.filter(({ state }) => state === 'running');
          if (running.length === 2) return true;
          throw new Error(JSON.stringify(rows));
        },
        settledMsMax,
      );
    },
  },
  {
    name: 'of an encrypted network only WireGuard is on the wire, of another one everything',
    async run(world) {
      const open = await talk(world, 'open');
      ok(
        open.some(({ bytes }) => bytes.includes(plainText)),
        'the tap reads what is not encrypted',
      );
      ok(count(open, tunnelPort) >= 2 * requests * 2);
      const secret = await talk(world, 'secret');
      deepStrictEqual(
        {
          texts: secret.filter(({ bytes }) => bytes.includes(plainText)).length,
          tunnels: count(secret, tunnelPort),
        },
        { texts: 0, tunnels: 0 },
      );
      const encrypted = count(secret, encryptedPort);
      ok(encrypted >= 2 * requests * 2, `${encrypted} packets`);
    },
  },
  {
    name: 'by its name the service is reached',
    async run(world) {
      for (const name of [serviceName, `tasks.${serviceName}`])
        await fetchAll(world, world.manager, name, 2);
    },
  },
  {
    name: 'nothing of the networks is left after them',
    async run(world) {
      const { manager, worker } = world;
      await manager.docker('service', 'rm', serviceName);
      await settled(
        'the networks are removed',
        async () => {
          await manager.try(...onShoal, 'network', 'rm', ...networkNames);
          const left = (await manager.read('shoal', '/networks')) as readonly { Name: string }[];
          return left.every(({ Name }) => !networkNames.some((name) => name === Name));
        },
        settledMsMax,
      );
      for (const host of [manager, worker])
        await settled(
          `no encrypted namespace on ${host.name}`,
          async () => {
            const left = await host.exec('ip', 'netns');
            if (!left.includes('-wg')) return true;
            throw new Error(left);
          },
          settledMsMax,
        );
    },
  },
];
