import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSwarmInit, parseSwarmJoin, parseSwarmUpdate } from '@shoal/docker-api';
import { lockOf } from '@shoal/pki';
import { type Instant, type Logger, systemClock, systemRandom } from '@shoal/runtime';
import { freePort } from '@shoal/runtime/testing';
import type { Replica } from '@shoal/stage';
import type { Change, Cluster, Outcome, StateView } from '@shoal/state';
import { Registry } from 'prom-client';
import { type Probes, systemProbes } from '../cluster/join/probes.ts';
import { Membership } from '../cluster/membership.ts';
import { clusterMetrics } from '../cluster/metrics.ts';
import type { MembershipOptions } from '../cluster/options.ts';
import { askRole } from '../cluster/role-request.ts';
import { openSealed, sealedPlaces } from '../cluster/sealed.ts';
import type { Manager, Standing } from '../cluster/standing.ts';
import { type ClusterChange, changedCluster } from '../swarm/update.ts';

/** Longest wait for what must happen, milliseconds; the machine may be busy. */
const patienceMs = 30_000;
const pollMs = 20;

/** Waits for a condition and gives its value back; fails with what it was about. */
export async function eventually<T>(
  about: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > until) throw new Error(`not in time: ${about}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Nobody builds tunnels in these tests: whoever has the port of tunnels on this machine may keep it. */
const withoutTunnels: Probes = {
  ...systemProbes,
  listen: (protocol, at) =>
    protocol === 'udp' ? Promise.resolve(undefined) : systemProbes.listen(protocol, at),
};

function notingLogger(events: Map<string, number>): Logger {
  const note = (_fields: object, event: string): void =>
    void events.set(event, (events.get(event) ?? 0) + 1);
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  return logger;
}

/** One host: its membership on a data directory of its own, at an address of its own. */
export class TestHost {
  readonly address: string;
  readonly dataDir: string;
  readonly #ports: { readonly cluster: number; readonly dispatcher: number };
  membership: Membership;
  /** How far this host's clock is ahead, milliseconds. */
  clockOffMs = 0;
  /** Told each copy of the state that the host begins to follow. */
  onReplica: (replica: Replica) => void = () => undefined;

  readonly #probes: Probes;
  readonly #events = new Map<string, number>();
  readonly #logger = notingLogger(this.#events);

  constructor(
    address: string,
    parent: string,
    ports: { cluster: number; dispatcher: number },
    probes: Probes = withoutTunnels,
  ) {
    this.#probes = probes;
    this.address = address;
    this.dataDir = join(parent, address);
    this.#ports = ports;
    this.membership = this.#make();
  }

  #make(): Membership {
    return new Membership(this.#options());
  }

  #options(): MembershipOptions {
    const { address, dataDir } = this;
    return {
      dataDir,
      listen: { host: address, port: this.#ports.cluster },
      dispatcherListen: { host: address, port: this.#ports.dispatcher },
      clock: { ...systemClock, now: () => (systemClock.now() + this.clockOffMs) as Instant },
      random: systemRandom,
      logger: this.#logger,
      logLevel: 'error',
      readLeaseMs: 0,
      metrics: clusterMetrics(new Registry()),
      network: async () => ({
        interfaces: [{ name: 'eth0', addresses: [{ address, internal: false }] }],
        defaultInterface: 'eth0',
      }),
      probes: this.#probes,
      agentMsMax: 0,
      agent: async () => undefined,
      onReplica: (replica) => this.onReplica(replica),
    };
  }

  get clusterPort(): string {
    return `${this.address}:${this.#ports.cluster}`;
  }

  /** How often it said so to its log. */
  count(event: string): number {
    return this.#events.get(event) ?? 0;
  }

  get standing(): Standing {
    return this.membership.standing;
  }

  get manager(): Manager {
    const { standing } = this;
    if (standing.kind !== 'manager') throw new Error(`${this.address} is ${standing.kind}`);
    return standing.manager;
  }

  get view(): StateView {
    return this.manager.replica.view;
  }

  get cluster(): Cluster {
    const { cluster } = this.view;
    if (cluster === undefined) throw new Error(`${this.address} has no cluster`);
    return cluster;
  }

  init(more: object = {}): Promise<string> {
    const ListenAddr = this.clusterPort;
    const AdvertiseAddr = this.address;
    return this.membership.init(parseSwarmInit({ ListenAddr, AdvertiseAddr, ...more }));
  }

  join(
    through: Pick<TestHost, 'clusterPort'>,
    token: string,
    AdvertiseAddr = this.address,
  ): Promise<void> {
    return this.membership.join(
      parseSwarmJoin({
        ListenAddr: this.clusterPort,
        AdvertiseAddr,
        RemoteAddrs: [through.clusterPort],
        JoinToken: token,
      }),
    );
  }

  token(role: 'worker' | 'manager'): string {
    const { id, joinTokens } = this.cluster;
    return openSealed(this.manager.sealKey, joinTokens[role], sealedPlaces.joinToken(id, role));
  }

  unlockKey(): string {
    const { id, unlockKey } = this.cluster;
    if (unlockKey === undefined) throw new Error('autolock is off');
    return openSealed(this.manager.sealKey, unlockKey.key, sealedPlaces.unlockKey(id));
  }

  /** Waits until this host's copy holds all that was acknowledged anywhere. */
  async caughtUp(): Promise<void> {
    await eventually(`${this.address} has caught up`, async () => {
      const result = await this.manager.replica.catchUp();
      return result.kind === 'caught-up';
    });
  }

  /** Writes through this host's own voter. */
  async write(...changes: readonly Change[]): Promise<void> {
    const outcome = await this.#propose(changes);
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome));
  }

  async #propose(changes: readonly Change[]): Promise<Outcome> {
    const { replica } = this.manager;
    const result = await replica.propose([
      {
        id: `${this.address} ${systemRandom.next()}`,
        actor: { kind: 'user', name: 'test' },
        reason: 'a test asks for it',
        decidedAt: replica.view.index,
        changes,
      },
    ]);
    if (result.kind === 'failed') throw new Error(result.message);
    const [outcome] = result.outcomes;
    if (outcome === undefined) throw new Error('a proposal without an outcome');
    return outcome;
  }

  /** `docker swarm update` with the whole spec as it is but for `change`. */
  async update(change: Partial<ClusterChange> = {}): Promise<void> {
    const { sealKey } = this.manager;
    await this.caughtUp();
    const { cluster } = this;
    const asked = {
      ...parseSwarmUpdate(cluster.spec),
      rotateWorkerToken: false,
      rotateManagerToken: false,
      rotateUnlockKey: false,
      ...change,
    };
    const ports = { sealKey, clock: systemClock, random: systemRandom };
    const object = await changedCluster(cluster, asked, ports);
    await this.write({ op: 'update', table: 'cluster', object });
  }

  /** As `docker node promote` and `demote`: reads the node again where another has changed it meanwhile. */
  async setRole(id: string, Role: 'worker' | 'manager'): Promise<void> {
    await eventually(`${id} is to be a ${Role}`, async () => {
      const node = this.view.nodes.get(id);
      if (node === undefined) throw new Error(`no node ${id}`);
      const object = { ...node, spec: { ...node.spec, Role } };
      const outcome = await this.#propose([{ op: 'update', table: 'node', object }]);
      if (outcome.kind === 'committed') return true;
      if (outcome.refusal.kind === 'version-conflict') return false;
      throw new Error(JSON.stringify(outcome));
    });
  }

  /** Ends the process in an orderly way and starts it again. */
  async restart(): Promise<void> {
    await this.membership.stop();
    this.membership = this.#make();
    await this.membership.start();
  }

  /** Whether the keys on this host's disk need an unlock key. */
  async isWrapped(): Promise<boolean> {
    return (await lockOf(this.dataDir)) !== null;
  }

  async isWrappedBy(version: number | undefined): Promise<boolean> {
    return (await lockOf(this.dataDir))?.version === version;
  }

  /** Does what the host's agent does when the state and the certificate disagree about the role. */
  async renewAsAgent(): Promise<void> {
    const { standing } = this;
    if (standing.kind !== 'worker') throw new Error(`${this.address} is ${standing.kind}`);
    const answer = await askRole(standing.identity, this.#options());
    if (answer.kind !== 'written') throw new Error(answer.message);
  }

  /** What this host's copy of the state holds, for comparison with that of others. */
  image(): string {
    return imageOf(this.manager.replica);
  }
}

/** The tables of a replica as text. */
export function imageOf({ view }: Replica): string {
  const { cluster, nodes, services, networks } = view;
  return JSON.stringify([cluster, ...[nodes, services, networks].map((all) => [...all.values()])]);
}

/** Hosts on 127.0.0.2, 127.0.0.3, …, each with real voters and files, and no engine. */
export class TestHosts {
  readonly directory = mkdtempSync(join(tmpdir(), 'shoal-hosts-'));
  readonly hosts: TestHost[] = [];
  readonly #runDir = process.env['SHOAL_RUN_DIR'];

  async start(count: number, probes?: Probes): Promise<readonly TestHost[]> {
    process.env['SHOAL_RUN_DIR'] = join(this.directory, 'run');
    const ports = { cluster: await freePort('0.0.0.0'), dispatcher: await freePort('0.0.0.0') };
    for (let at = 0; at < count; at += 1) {
      const host = new TestHost(`127.0.0.${at + 2}`, this.directory, ports, probes);
      this.hosts.push(host);
      await host.membership.start();
    }
    return this.hosts;
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map(({ membership }) => membership.stop()));
    if (this.#runDir === undefined) delete process.env['SHOAL_RUN_DIR'];
    else process.env['SHOAL_RUN_DIR'] = this.#runDir;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
