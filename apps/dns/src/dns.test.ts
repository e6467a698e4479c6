// The whole resolver on real sockets in real network namespaces, beside an agent that the test plays.
import { execFile, execFileSync } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { HostNetwork, HostNetworkChange } from '@shoal/overlay';
import { servedDigest } from '@shoal/overlay';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import { decode } from 'dns-packet';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Dns } from './dns.ts';
import { lastKnownFile } from './last-known.ts';
import { dnsMetrics } from './metrics.ts';
import { namespaceBinder, namespaceIdentity } from './sockets/namespace-sockets.ts';
import { ask, dataOf, eventually, question } from './testing/ask.ts';
import { FakeAgent } from './testing/fake-agent.ts';
import { answerTo, FakeUpstream } from './testing/fake-upstream.ts';
import { namespacesMissing, TestNamespace } from './testing/namespace.ts';
import { hostNetwork, localEndpoint, service, task } from './testing/records.ts';
import { hostExchange } from './upstream/exchange.ts';

const missing = namespacesMissing();
if (missing !== undefined) console.warn(`apps/dns: skips what needs namespaces: ${missing}`);

const gateway = '10.0.1.1';
const client = '10.0.1.11';
const web = service('web', { virtualIps: ['10.0.1.100'] });
const record = task('w1', client, web);

function complete(network: HostNetwork, records: readonly EndpointRecord[]): HostNetworkChange {
  return { id: network.id, network, complete: true, records, gone: [] };
}

describe.skipIf(missing !== undefined)('a network', () => {
  const addresses = [gateway, client, 'fd00:1::1', 'fd00:1::11'];
  let namespace: TestNamespace;
  let network: HostNetwork;
  let dataDir: string;
  let agent: FakeAgent;
  let dns: Dns | undefined;
  let registry: Registry;
  let asking: Socket;

  beforeAll(() => {
    namespace = new TestNamespace(`dnst-${process.pid}`, addresses);
  });
  afterAll(() => namespace?.remove());

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'shoal-dns-'));
    network = hostNetwork(1, {
      namespace: namespace.path,
      subnets: [
        { subnet: '10.0.1.0/24', gateway, vni: 4097 },
        { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', vni: 4097 },
      ],
      local: [localEndpoint('w1', client, ['network-1'])],
    });
    agent = await FakeAgent.start(dataDir, [complete(network, [record])]);
    asking = await clientSocket(client);
  });

  afterEach(async () => {
    await dns?.stop();
    dns = undefined;
    asking.close();
    agent.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    registry = new Registry();
    dns = await Dns.start({
      dataDir,
      port: 53,
      bind: namespaceBinder(systemClock, 53),
      identify: namespaceIdentity,
      exchange: hostExchange(systemClock),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: dnsMetrics(registry),
    });
  }

  /** A socket of a container: any port of an address inside the namespace. */
  async function clientSocket(address: string): Promise<Socket> {
    const bound = await namespaceBinder(systemClock, 0)(namespace.path, [address]);
    if (bound.kind !== 'bound') throw new Error(bound.reason);
    const [sockets] = bound.sockets;
    if (sockets === undefined) throw new Error('no sockets');
    sockets.tcp.close();
    sockets.probe.close();
    return sockets.udp;
  }

  const served = (): Promise<unknown> =>
    eventually(
      'the network is served',
      () => agent.heard.at(-1)?.networks[0]?.problems.length === 0,
    );

  const told = async (name: string): Promise<readonly string[]> =>
    dataOf(await ask(asking, { address: gateway, port: 53 }, question(name)));

  test('is answered in, over UDP and TCP and both families, and the agent hears of it', async () => {
    await start();
    await served();
    expect(agent.heard.at(-1)).toMatchObject({
      consumer: 'dns',
      version: 1,
      networks: [{ networkId: 'network-1', digest: servedDigest([record], 'names') }],
    });
    expect(await told('web')).toEqual(['10.0.1.100']);
    expect(await told('tasks.WEB')).toEqual([client]);
    expect(dataOf(await tcp(gateway, question('web')))).toEqual(['10.0.1.100']);
    const six = await clientSocket('fd00:1::11');
    const reply = await ask(six, { address: 'fd00:1::1', port: 53 }, question('web'));
    expect(dataOf(reply)).toEqual(['10.0.1.100']);
    six.close();
    expect(dns?.health).toMatchObject({ ready: true, role: 'active', detail: '' });
    const metrics = await registry.metrics();
    expect(metrics).toContain(
      'shoal_dns_queries_total{transport="tcp",type="A",outcome="answered"} 1',
    );
    expect(metrics).toContain('shoal_dns_networks_listening 1');
  });

  test('answers differently as soon as the agent has been told so', async () => {
    await start();
    await served();
    const second = task('w2', '10.0.1.12', web, { slot: 2 });
    agent.tell([{ id: 'network-1', complete: false, records: [second], gone: ['w1'] }]);
    await eventually('the agent hears of it', () => agent.heard.at(-1)?.version === agent.version);
    expect(agent.heard.at(-1)?.networks[0]?.digest).toBe(servedDigest([second], 'names'));
    expect(await told('tasks.web')).toEqual(['10.0.1.12']);
  });

  test('goes on being answered without the agent, across a restart as well', async () => {
    await start();
    await served();
    agent.stop();
    expect(await told('web')).toEqual(['10.0.1.100']);
    await dns?.stop();
    await start();
    await eventually('it is listened on', () => dns?.health.detail.includes('the agent is away'));
    await eventually('answers', () => dns?.listening === 1);
    expect(await told('web')).toEqual(['10.0.1.100']);
    expect(dns?.health.ready).toBe(true);
  });

  test('is let go of before the agent hears that it is gone', async () => {
    await start();
    await served();
    agent.tell([{ id: 'network-1', removed: true, complete: false, records: [], gone: [] }]);
    await eventually('the agent hears of it', () => agent.heard.at(-1)?.version === agent.version);
    expect(agent.heard.at(-1)?.networks).toEqual([]);
    const listening = execFileSync('ip', ['netns', 'exec', namespace.name, 'cat', '/proc/net/udp']);
    // Port 53 is 0035; the client's own socket has another one.
    expect(listening.toString()).not.toContain(':0035 ');
    expect(dns?.health.role).toBe('standby');
    await dns?.stop();
    dns = undefined;
    expect(JSON.parse(readFileSync(lastKnownFile(dataDir), 'utf8'))).toMatchObject({
      networks: [],
    });
  });

  test('is listened on again when its namespace was made anew', async () => {
    await start();
    await served();
    namespace.remove();
    asking.close();
    await eventually(
      'it is missed',
      () => (agent.heard.at(-1)?.networks[0]?.problems.length ?? 0) > 0,
    );
    namespace.make(addresses);
    asking = await clientSocket(client);
    await served();
    expect(await told('web')).toEqual(['10.0.1.100']);
  });

  test('without an address to listen on is said so, and served once it is there', async () => {
    agent.stop();
    const late = { ...network, subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.7', vni: 1 }] };
    agent = await FakeAgent.start(dataDir, [complete(late, [record])]);
    await start();
    const problems = await eventually('a problem', () => {
      const said = agent.heard.at(-1)?.networks[0]?.problems;
      return said?.[0]?.includes('EADDRNOTAVAIL') ? said : undefined;
    });
    expect(problems).toHaveLength(1);
    execFileSync('ip', ['-n', namespace.name, 'address', 'add', '10.0.1.7/32', 'dev', 'lo']);
    await served();
    const reply = await ask(asking, { address: '10.0.1.7', port: 53 }, question('web'));
    expect(dataOf(reply)).toEqual(['10.0.1.100']);
  });

  test('asks upstreams from the host, not from the network', async () => {
    const upstream = await FakeUpstream.start((question) => [answerTo(question, [])]);
    agent.stop();
    const outside = { ...network, upstreams: [upstream.name] };
    agent = await FakeAgent.start(dataDir, [complete(outside, [record])]);
    await start();
    await served();
    const reply = await ask(asking, { address: gateway, port: 53 }, question('example.com'));
    expect(reply).toMatchObject({ rcode: 'NOERROR', answers: [] });
    expect(upstream.heard).toHaveLength(1);
    await upstream.stop();
  });

  test('lets what is under way end when the process is to', async () => {
    const asked: (() => void)[] = [];
    const upstream = await FakeUpstream.start(() => []);
    upstream.behaviour = (question) => {
      asked.push(() => upstream.reply(question, '192.0.2.7'));
      return [];
    };
    agent.stop();
    agent = await FakeAgent.start(dataDir, [
      complete({ ...network, upstreams: [upstream.name] }, [record]),
    ]);
    await start();
    await served();
    const answer = ask(asking, { address: gateway, port: 53 }, question('example.com'));
    const reply = await eventually('the upstream is asked', () => asked[0]);
    const stopped = dns?.stop();
    dns = undefined;
    reply();
    expect(dataOf(await answer)).toEqual(['192.0.2.7']);
    await stopped;
    await upstream.stop();
  });

  /** Asks over a connection from inside the namespace. */
  async function tcp(address: string, packet: Buffer) {
    const script = `
      const { connect } = require('node:net');
      const packet = Buffer.from(process.argv[2], 'hex');
      const socket = connect(53, process.argv[1], () => socket.write(packet));
      socket.once('data', (chunk) => { process.stdout.write(chunk.toString('hex')); socket.end(); });
    `;
    const framed = Buffer.concat([Buffer.from([0, packet.length]), packet]).toString('hex');
    const args = [`--net=${namespace.path}`, process.execPath, '-e', script, address, framed];
    const { stdout } = await promisify(execFile)('nsenter', args);
    return decode(Buffer.from(stdout, 'hex').subarray(2));
  }
});

test('a process that has never heard of an agent stands by', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'shoal-dns-'));
  const dns = await Dns.start({
    dataDir,
    port: 53,
    bind: namespaceBinder(systemClock, 53),
    identify: namespaceIdentity,
    exchange: hostExchange(systemClock),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: dnsMetrics(new Registry()),
  });
  expect(dns.health).toEqual({ ready: true, healthy: true, role: 'standby', detail: '' });
  await dns.stop();
  rmSync(dataDir, { recursive: true });
});
