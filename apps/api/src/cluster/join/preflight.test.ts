import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { type Clock, type Instant, type Monotonic, systemClock } from '@shoal/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import {
  checkClock,
  checkOwnPorts,
  checkTunnelPort,
  checkVersion,
  reachManager,
} from './preflight.ts';
import { type Probes, systemProbes } from './probes.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(host: string): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve));
  return (server.address() as AddressInfo).port;
}

async function refusal(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Waits for nothing. */
let time = 0;
const hasty: Clock = {
  ...systemClock,
  monotonic: () => {
    time += 1_000;
    return time as Monotonic;
  },
};

describe('the ports of this host', () => {
  const ports = {
    cluster: { host: '127.0.0.1', port: 2_377 },
    dispatcher: { host: '127.0.0.1', port: 2_378 },
  };
  const without = (protocol: string, port: number, reason: string): Probes => ({
    ...systemProbes,
    listen: async (asked, at) => (asked === protocol && at.port === port ? reason : undefined),
  });

  test.each([
    ['tcp', 2_377, 'the cluster port'],
    ['tcp', 2_378, "agents' sessions"],
    ['tcp', 7_946, 'gossip between hosts'],
    ['udp', 7_946, 'gossip between hosts'],
  ])('%s %i is needed', async (protocol, port, purpose) => {
    const probes = without(protocol, port, 'address already in use');
    const error = await refusal(() => checkOwnPorts(ports, probes, hasty));
    expect(error).toMatchObject({ status: 500 });
    expect(String(error)).toContain(
      `listen ${protocol} 127.0.0.1:${port}: bind: address already in use: this host needs ${port}/${protocol} for ${purpose}; find what holds it`,
    );
    expect(String(error)).toContain(`sport = :${port}`);
  });

  test('that of the tunnels is the swarm’s to say', async () => {
    const probes = without('udp', 4_789, 'permission denied');
    const tunnels = (port: number) =>
      refusal(() => checkTunnelPort({ host: '127.0.0.1', port }, probes, hasty));
    expect(await refusal(() => checkOwnPorts(ports, probes, hasty))).toBeUndefined();
    expect(await tunnels(5_789)).toBeUndefined();
    expect(String(await tunnels(4_789))).toContain('needs 4789/udp for overlay networks');
  });

  test('a process that is about to let go of a port is waited for', async () => {
    let looks = 0;
    const listen: Probes['listen'] = async () => {
      looks += 1;
      return looks < 3 ? 'address already in use' : undefined;
    };
    await checkOwnPorts(ports, { ...systemProbes, listen }, systemClock);
    expect(looks).toBeGreaterThan(3);
  });

  test('each reason has its fix', async () => {
    const of = (reason: string) =>
      refusal(() => checkOwnPorts(ports, without('tcp', 2_377, reason), hasty)).then(String);
    expect(await of('cannot assign requested address')).toContain('--listen-addr');
    expect(await of('permission denied')).toContain('run shoal as a user who may');
    expect(await refusal(() => checkOwnPorts(ports, without('tcp', 1, ''), hasty))).toBeUndefined();
  });

  test('a taken port is seen, for TCP and UDP', async () => {
    const port = await listening('127.0.0.1');
    const at = { host: '127.0.0.1', port };
    expect(await systemProbes.listen('tcp', at)).toBe('address already in use');
    expect(await systemProbes.listen('udp', at)).toBeUndefined();
    expect(await systemProbes.listen('tcp', { host: '192.0.2.1', port: 0 })).toBe(
      'cannot assign requested address',
    );
  });
});

describe('the managers to ask', () => {
  const address = (port: number) => ({
    text: `127.0.0.1:${port}`,
    at: { host: '127.0.0.1', port },
  });

  test('the first that answers, and the address by which this host is seen there', async () => {
    const open = await listening('127.0.0.1');
    expect(await reachManager([address(1), address(open)], systemProbes)).toEqual({
      manager: `127.0.0.1:${open}`,
      from: '127.0.0.1',
    });
  });

  test('a refused port in the words users know, with the fix', async () => {
    const error = await refusal(() => reachManager([address(1)], systemProbes));
    expect(error).toMatchObject({ status: 503 });
    expect(String(error)).toContain(
      'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused": no manager answers at 127.0.0.1:1; check the address',
    );
  });
});

describe('what the manager says of itself', () => {
  const now = 1_800_000_000_000 as Instant;

  test.each([
    [3_600_000, '3600 seconds ahead of'],
    [-61_000, '61 seconds behind'],
  ])('a clock that is %i ms off', async (off, words) => {
    const error = await refusal(() => checkClock((now + off) as Instant, now, 'm:2377'));
    expect(String(error)).toContain(
      `the clock of this host is ${words} that of the manager at m:2377`,
    );
  });

  test('a minute is allowed', () => {
    expect(() => checkClock((now + 60_000) as Instant, now, 'm')).not.toThrow();
    expect(() => checkClock((now - 60_000) as Instant, now, 'm')).not.toThrow();
  });

  test('versions of one line work together', () => {
    expect(() => checkVersion('1.4.0', '1.9.2', 'm')).not.toThrow();
    expect(() => checkVersion('1.4.0', '2.0.0', 'm:2377')).toThrow(
      'this host runs shoal 1.4.0, the manager at m:2377 runs 2.0.0',
    );
  });
});
