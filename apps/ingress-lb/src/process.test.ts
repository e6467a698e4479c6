import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostNetworkChange, servedDigest } from '@shoal/overlay';
import { kernelCommands } from '@shoal/overlay/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeAgent } from './testing/fake-agent.ts';
import { type Peer, startPeer } from './testing/peers.ts';
import { hostAddress, hostNames, Topology } from './testing/topology.ts';
import { balancerRecord, hostNetwork, publishedPort, record, targetPort } from './testing/world.ts';

const msMax = 60_000;

/** The process itself, on a host that is a namespace, with its agent played. */
describe.runIf(process.getuid?.() === 0)('the process', () => {
  const topology = new Topology(`slp${process.pid}`);
  const commands = kernelCommands();
  const dataDir = mkdtempSync(join(tmpdir(), 'shoal-ingress-lb-'));
  const peers = new Map<string, Peer>();
  const records = [
    record('ingress', 't1', {}),
    ...hostNames.map((host) => balancerRecord('ingress', host)),
  ];
  const networks = (): readonly HostNetworkChange[] => [
    {
      id: 'ingress',
      network: hostNetwork(topology, 'a', 'ingress'),
      complete: true,
      records,
      gone: [],
    },
  ];
  const agent = new FakeAgent(networks());
  let child: ChildProcess | undefined;

  function start(): void {
    const program = join(import.meta.dirname, 'main.ts');
    const flags = [`--data-dir=${dataDir}`, `--run-dir=${dataDir}`, '--metrics-listen=off'];
    const args = [
      `--net=${topology.path('a')}`,
      process.execPath,
      '--conditions=@shoal/source',
      program,
    ];
    child = spawn('nsenter', [...args, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    child = undefined;
  }

  const ask = (from: string, host: string) =>
    peers.get(from)?.call('ask', { host, port: publishedPort, times: 4 });
  const onHost = async (program: string, ...args: readonly string[]): Promise<string> => {
    const outcome = await commands.run({ program, args, namespace: topology.path('a') });
    return outcome.kind === 'done' ? outcome.stdout : outcome.message;
  };

  beforeAll(async () => {
    await topology.up();
    for (const part of ['t1', 'a', 'outside']) peers.set(part, startPeer(topology.path(part)));
    await peers.get('t1')?.call('serve', { name: 't1', port: targetPort });
    await agent.listen(dataDir);
    start();
  }, msMax);
  afterAll(async () => {
    await stop('SIGKILL');
    agent.close();
    await Promise.all([...peers.values()].map((peer) => peer.close()));
    await topology.down();
    rmSync(dataDir, { recursive: true, force: true });
  }, msMax);

  test(
    'serves what the agent tells, and says so when it does',
    async () => {
      const { networks: served } = await agent.served();
      expect(served).toEqual([
        {
          networkId: 'ingress',
          digest: servedDigest(records, 'balancer'),
          problems: [],
          unsteered: [],
        },
      ]);
      expect((await ask('outside', hostAddress('a')))?.names).toEqual({ t1: 4 });
    },
    msMax,
  );

  test(
    'holds the published port, also for the IPv6 loopback',
    async () => {
      expect(await onHost('ss', '-Hltn', `sport = :${publishedPort}`)).toContain(
        `:${publishedPort}`,
      );
      expect((await ask('a', '::1'))?.names).toEqual({ t1: 4 });
      expect((await ask('a', '127.0.0.1'))?.names).toEqual({ t1: 4 });
    },
    msMax,
  );

  test(
    'leaves the kernel as it is when it ends, and finds it so when it comes back',
    async () => {
      const rules = await onHost('nft', '-a', 'list', 'ruleset');
      await stop('SIGTERM');
      expect(await onHost('nft', '-a', 'list', 'ruleset')).toBe(rules);
      expect((await ask('outside', hostAddress('a')))?.names).toEqual({ t1: 4 });
      const served = agent.tell(networks());
      start();
      expect((await served).networks[0]?.digest).toBe(servedDigest(records, 'balancer'));
      expect(await onHost('nft', '-a', 'list', 'ruleset')).toBe(rules);
    },
    msMax,
  );

  test(
    'takes all away when the host leaves the swarm',
    async () => {
      await agent.tell([]);
      expect(await onHost('nft', 'list', 'tables')).not.toContain('shoal');
      expect(await onHost('ip', '-o', 'link')).not.toContain('shoal');
    },
    msMax,
  );
});
