import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { forgedPacket } from './forged-packet.ts';
import type { CaseOf } from './run-cases.ts';
import type { Packet } from './wire.ts';
import {
  containerAddress,
  containerMac,
  hostNames,
  type NetworkName,
  networks,
  otherOf,
  plainText,
  servicePort,
  type World,
} from './world.ts';

const tunnelPort = 4_789;
const encryptedPort = 51_820;
const device = 'shwg0';
const namespace = 'shoal-under-test-wg';
/** WireGuard makes new keys after two minutes; a moment more, milliseconds. */
const rekeyMs = 135_000;
const repairMsMax = 60_000;
const heardPollMs = 50;
const heardMsMax = 10_000;

function isPlain({ bytes }: Packet): boolean {
  return bytes.includes(plainText);
}

function isTunnel({ protocol, port }: Packet): boolean {
  return protocol === 'udp' && port === tunnelPort;
}

function isEncrypted({ protocol, port }: Packet): boolean {
  return protocol === 'udp' && port === encryptedPort;
}

/** What passes while something is done. */
async function during(world: World, work: () => Promise<void>): Promise<readonly Packet[]> {
  const tap = await world.tap();
  await work();
  // Packets pass in order: with this one all before it are there.
  const last = 'the-last-packet';
  const packet = { host: '192.0.2.1', port: 9, base64: Buffer.from(last).toString('base64') };
  await world.peer('stranger').call('datagram', packet);
  await tap.passed(last);
  return tap.stop();
}

async function assertTalk(world: World, network: NetworkName, times = 20): Promise<void> {
  for (const host of hostNames) {
    const { names, errors } = await world.ask(host, network, times);
    deepStrictEqual([errors, names], [{}, { [plainText]: times }]);
  }
}

/** Nothing of the encrypted network gets through, and nothing of it is on the wire. */
async function assertSilent(world: World): Promise<void> {
  const seen = await during(world, async () => {
    const { names } = await world.ask('a', 'secret', 2);
    deepStrictEqual(names, {});
  });
  strictEqual(seen.filter(isTunnel).length, 0);
  strictEqual(seen.filter(isPlain).length, 0);
}

async function handshake(world: World): Promise<string> {
  const args = ['netns', 'exec', namespace, 'wg', 'show', device, 'latest-handshakes'];
  return (await world.host('a').call('run', 'ip', ...args)).trim();
}

/** What the container of host b has been sent as datagrams. */
async function heard(world: World): Promise<readonly string[]> {
  return world.peer('b').call('heard', {});
}

async function forge(world: World, network: NetworkName, text: string): Promise<void> {
  const bytes = forgedPacket({
    vni: networks[network].vni,
    mac: containerMac(network, 'b'),
    to: containerAddress(network, 'b'),
    from: containerAddress(network, 'a'),
    ...{ port: servicePort, text },
  });
  const packet = { host: '192.0.2.2', port: tunnelPort, base64: bytes.toString('base64') };
  await world.peer('stranger').call('datagram', packet);
}

export const cases: readonly CaseOf<World>[] = [
  {
    name: 'of an encrypted network only WireGuard is on the wire, of another one everything',
    async run(world) {
      const open = await during(world, () => assertTalk(world, 'open'));
      ok(open.filter(isPlain).length >= 40, 'the tap reads what is not encrypted');
      ok(open.some(isTunnel));
      const secret = await during(world, () => assertTalk(world, 'secret'));
      strictEqual(secret.filter(isPlain).length, 0);
      strictEqual(secret.filter(isTunnel).length, 0);
      ok(secret.filter(isEncrypted).length >= 80, `${secret.length} packets`);
    },
  },
  {
    name: 'a full packet passes without being cut',
    async run(world) {
      const links = JSON.parse(await world.run('container-a', 'ip', '-j', 'link', 'show', 'eth0'));
      const { mtu } = links[0] as { mtu: number };
      strictEqual(mtu, 1_500 - 80 - 50);
      const to = containerAddress('secret', 'b');
      const seen = await during(world, async () => {
        const args = ['ping', '-c', '3', '-W', '5', '-s', String(mtu - 28), to];
        const said = await world.run('container-a', 'busybox', ...args);
        ok(said.includes('3 packets received'), said);
      });
      strictEqual(seen.filter(({ isFragment }) => isFragment).length, 0);
      ok(Math.max(...seen.map(({ bytes }) => bytes.length)) <= 1_500 + 14);
    },
  },
  {
    name: 'a packet that somebody on the wire makes gets into the open network, not into the encrypted one',
    async run(world) {
      await forge(world, 'secret', 'forged-secret');
      await forge(world, 'open', 'forged-open');
      const end = performance.now() + heardMsMax;
      while (!(await heard(world)).includes('forged-open')) {
        ok(performance.now() < end, 'the forged packet is not right');
        await new Promise((resolve) => setTimeout(resolve, heardPollMs));
      }
      ok(!(await heard(world)).includes('forged-secret'));
    },
  },
  {
    name: 'without the other host’s key nothing is said, and nothing is sent in the clear',
    async run(world) {
      await world.tell('a', false);
      await assertSilent(world);
      await assertTalk(world, 'open', 4);
      await world.tell('a');
      await assertTalk(world, 'secret');
    },
  },
  {
    name: 'without the device that encrypts nothing is sent in the clear, and an audit brings it back',
    async run(world) {
      await world.host('a').call('run', 'ip', '-n', namespace, 'link', 'del', device);
      await assertSilent(world);
      strictEqual(await world.host('a').call('audit', 'secret'), 1);
      await assertTalk(world, 'secret');
      strictEqual(await world.host('a').call('audit', 'secret'), 1);
    },
  },
  {
    name: 'without its namespace nothing is sent in the clear, and an audit brings it back',
    async run(world) {
      await world.host('a').call('run', 'ip', 'netns', 'del', namespace);
      await assertSilent(world);
      // The kernel takes a namespace apart behind our back: until then the port is taken.
      const end = performance.now() + repairMsMax;
      while (Object.keys((await world.ask('a', 'secret', 1)).errors).length > 0) {
        ok(performance.now() < end, 'it is not repaired');
        await world.host('a').call('audit', 'secret');
      }
      await assertTalk(world, 'secret');
    },
  },
  {
    name: 'what was built for packets in the clear is not taken for an encrypted network',
    async run(world) {
      const [name, made] = [`shoal-${networks.secret.vni}`, `shx${networks.secret.vni}`];
      const run = (...words: readonly string[]) => world.host('a').call('run', 'ip', ...words);
      await run('-n', name, 'link', 'del', `she${networks.secret.vni}`);
      const id = ['id', String(networks.secret.vni), 'dstport', '4789', 'local', '192.0.2.1'];
      await run('link', 'add', made, 'type', 'vxlan', ...id, 'nolearning', 'proxy');
      await run('link', 'set', made, 'netns', name);
      await run('-n', name, 'link', 'set', made, 'master', 'br0', 'up');
      await world.host('a').call('audit', 'secret');
      const links = await run('-n', name, '-o', 'link');
      ok(!links.includes(made) && links.includes(`she${networks.secret.vni}`), links);
      const seen = await during(world, () => assertTalk(world, 'secret'));
      strictEqual(seen.filter(isPlain).length, 0);
    },
  },
  {
    name: 'a restarted agent leaves open connections and keys as they are',
    async run(world) {
      const to = { host: containerAddress('secret', 'b'), port: servicePort };
      const connection = await world.peer('a').call('open', to);
      const before = await handshake(world);
      await world.restart('a');
      await world.tell('a');
      strictEqual(await handshake(world), before);
      strictEqual((await world.peer('a').call('say', { connection })).name, plainText);
    },
  },
  {
    name: 'session keys are made anew under constant load, and no request is lost',
    async run(world) {
      const before = await handshake(world);
      const end = performance.now() + rekeyMs;
      let answered = 0;
      while (performance.now() < end) {
        const { names, errors } = await world.ask('a', 'secret', 20, 2);
        deepStrictEqual(errors, {});
        answered += names[plainText] ?? 0;
      }
      ok(answered > 100, `${answered} answers`);
      ok((await handshake(world)) !== before, 'the keys are the same');
    },
  },
  {
    name: 'a host with another key is heard once the others are told',
    async run(world) {
      await world.host('b').call('run', 'rm', '/tmp/host-b/agent/tunnel.key');
      await world.restart('b');
      await world.tell('b');
      await world.tell('a');
      await assertTalk(world, 'secret');
    },
  },
  {
    name: 'after the last encrypted network nothing of it is left',
    async run(world) {
      for (const name of hostNames) {
        strictEqual(await world.host(name).call('remove', 'secret'), '');
        const left = await world.host(name).call('run', 'ip', 'netns');
        ok(!left.includes(namespace), left);
      }
      await assertTalk(world, 'open', 4);
      const { names } = await world.ask(otherOf('a'), 'secret', 1);
      deepStrictEqual(names, {});
    },
  },
];
