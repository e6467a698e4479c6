import { join } from 'node:path';
import { createAllocator } from '@shoal/allocator';
import { Engine } from '@shoal/link/proxy';
import { createOrchestrator } from '@shoal/orchestrator';
import { type Identity, nodeTlsInfo, requestCertificate, updateIdentity } from '@shoal/pki';
import {
  type Instant,
  newId,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import type { Change, Node, NodeDescription, Transaction } from '@shoal/state';
import { SwarmEvents } from '../events/swarm-events.ts';
import { type ApiServer, createApiServer } from '../http/server.ts';
import { fakeLogs, silentLogs } from '../testing/fake-logs.ts';
import { eventually, type TestHost, TestHosts } from '../testing/hosts.ts';
import { fakeProgress } from './fake-agents.ts';
import { FakeEngine } from './fake-engine.ts';
import { ask, descriptions, identityOf, membershipOf, type Reply } from './fleet-hosts.ts';
import { type Exchange, type HostName, hostNames, unversioned } from './recording.ts';

/** Rounds of all stages until nothing moves; more is a stage that never rests. */
const roundsMax = 200;
/** Longest stretch of time that the stages skip at once, milliseconds. */
const strideMs = 1_000;
/** Less than this is not worth a look of the stages, unless somebody wrote; milliseconds. */
const strideMsMin = 500;
/** Longest time that passes between two requests, milliseconds: waits of the session say no more. */
const idleMsMax = 20_000;

/**
 * Chance that stays apart from the names that the recordings ask for. Ids begin with a digit: a client that asks for
 * `s1` means what is called so, and would now and then also get what has an id that begins so. Names that are made
 * up are of the last tenth of their words, and each is another: one that asks for `fl` means no `flamboyant_bell`.
 */
class ChanceApartFromNames implements Random {
  #drawn = 0;

  next(): number {
    this.#drawn += 1;
    return 0.9 + ((this.#drawn * goldenRatio) % 1) / 10;
  }

  bytes(count: number): Uint8Array {
    for (;;) {
      const bytes = systemRandom.bytes(count);
      if (/^\d/.test(newId({ next: () => 0, bytes: () => bytes }))) return bytes;
    }
  }
}

/** Its multiples, without what is before the point, are far from each other. */
const goldenRatio = (1 + Math.sqrt(5)) / 2;

interface Site {
  readonly host: TestHost;
  readonly hostname: string;
  readonly socket: string;
  readonly engine: FakeEngine;
  readonly server: ApiServer;
}

/**
 * Three hosts with the real API, real voters and the real stages, in front of fake engines; agents are fake.
 * Time goes as fast as the recorded session says.
 */
export class FakeFleet {
  readonly #hosts = new TestHosts();
  readonly #sites = new Map<HostName, Site>();
  readonly #stages = [createOrchestrator(), createAllocator(), createScheduler()];
  readonly #descriptions: ReadonlyMap<string, NodeDescription>;
  /** What the recorded engine said of itself. */
  readonly #known: ReadonlyMap<string, Exchange>;
  readonly #random = new ChanceApartFromNames();
  readonly #tls = new Map<string, ReturnType<typeof nodeTlsInfo>>();
  #ahead = 0;
  /** When the last request was sent in the recorded session. */
  #recordedAt: number | undefined;
  /** Something was asked for that the stages have not seen. */
  #isStirred = false;
  /** While no manager can write. */
  isCutOff = false;

  constructor(recording: readonly Exchange[]) {
    this.#descriptions = descriptions(recording);
    const about = recording.filter(({ req, res }) => res.status === 200 && req.method === 'GET');
    this.#known = new Map(about.map((each) => [unversioned(each.req.path), each]));
  }

  async start(recording: readonly Exchange[]): Promise<void> {
    const hosts = await this.#hosts.start(hostNames.length);
    for (const [at, name] of hostNames.entries()) {
      const host = hosts[at];
      if (host === undefined) throw new Error('a host is missing');
      this.#sites.set(name, await this.#site(host, `node${at + 1}`, recording));
    }
  }

  async #site(host: TestHost, hostname: string, recording: readonly Exchange[]): Promise<Site> {
    const socket = join(this.#hosts.directory, `${hostname}.sock`);
    const path = join(this.#hosts.directory, `${hostname}-engine.sock`);
    const engine = new FakeEngine(recording);
    await engine.listen(path);
    const events = new SwarmEvents();
    host.onReplica = (replica) => void events.follow(replica);
    const client = new Engine(`unix://${path}`, { kind: 'unix', path });
    await client.versions();
    const server = await createApiServer(
      {
        host: membershipOf(host),
        engine: client,
        events,
        logs: fakeLogs(silentLogs),
        explain: { ask: async () => ({ kind: 'silent', reason: 'no scheduler is asked' }) },
        attach: async () => ({ kind: 'refused', problem: 'no agent attaches containers' }),
        dataDir: host.dataDir,
        clock: { ...systemClock, now: () => this.now() },
        random: this.#random,
        logger: silentLogger,
      },
      { observe: () => undefined },
    );
    await new Promise<void>((resolve) => server.server.listen(socket, resolve));
    return { host, hostname, socket, engine, server };
  }

  async close(): Promise<void> {
    for (const { server, engine } of this.#sites.values()) {
      await server.close(0);
      await engine.close();
    }
    await this.#hosts.close();
  }

  host(name: HostName): TestHost {
    return this.#siteOf(name).host;
  }

  #siteOf(name: HostName): Site {
    const site = this.#sites.get(name);
    if (site === undefined) throw new Error(`no host ${name}`);
    return site;
  }

  /** Ours for an address of the recorded hosts. */
  address(recorded: string): string {
    const [ip = '', port] = recorded.split(':');
    const name = `n${ip.slice(ip.lastIndexOf('.') + 1)}` as HostName;
    const site = this.#sites.get(name);
    if (site === undefined) return recorded;
    return port === '2377'
      ? site.host.clusterPort
      : `${site.host.address}${port ? `:${port}` : ''}`;
  }

  clusterId(): string | undefined {
    return this.#manager()?.view.cluster?.id;
  }

  now(): Instant {
    return (systemClock.now() + this.#ahead) as Instant;
  }

  /** Lets as much time pass as passed in the recorded session, and all stages and agents with it. */
  async passTo(recordedAt: string): Promise<void> {
    const at = Date.parse(recordedAt);
    let leftMs = Math.min(at - (this.#recordedAt ?? at), idleMsMax);
    if (leftMs < strideMsMin && !this.#isStirred) return;
    this.#recordedAt = at;
    this.#isStirred = false;
    do {
      const stride = Math.min(strideMs, leftMs);
      this.#ahead += stride;
      leftMs -= stride;
      await this.settle();
    } while (leftMs > 0);
  }

  /** A host that leads or follows with the newest state; undefined while there is none. */
  #manager(): TestHost | undefined {
    for (const { host } of this.#sites.values())
      if (host.standing.kind === 'manager' && host.standing.manager.replica.ready) return host;
    return undefined;
  }

  async settle(): Promise<void> {
    if (!this.isCutOff && this.#manager()?.cluster.rootCa.rotation !== undefined)
      for (const { host } of this.#sites.values()) await this.#renew(host);
    for (let round = 0; round < roundsMax; round += 1) {
      const host = this.isCutOff ? undefined : this.#manager();
      if (host === undefined) return;
      const all = [
        ...this.#stages.flatMap((stage) => this.#step(host, stage)),
        ...(await this.#agents(host, round === 0)),
      ];
      if (all.length === 0) return;
      const result = await host.manager.replica.propose(all);
      if (result.kind === 'failed') return;
      if (result.outcomes.every(({ kind }) => kind === 'refused')) return;
    }
    throw new Error('the stages never rest');
  }

  /** Ends a rotation of the root that is under way: the session's hosts were faster than its next step. */
  async rotated(): Promise<void> {
    const isUnderWay = () => this.#manager()?.cluster.rootCa.rotation !== undefined;
    if (this.isCutOff || !isUnderWay()) return;
    await eventually('the root has rotated', async () => {
      await this.settle();
      return !isUnderWay();
    });
  }

  /** While the root rotates each node gets a certificate of the new one, as from its agent. */
  async #renew(host: TestHost): Promise<void> {
    const identity = identityOf(host);
    if (identity === undefined) return;
    const { certificate, key, caCertificate } = identity;
    const outcome = await requestCertificate({
      addresses: [this.host('n1').clusterPort],
      proof: { kind: 'renewal', certificate, key, trustRoots: caCertificate },
      clock: systemClock,
    });
    if (outcome.kind === 'failed') throw new Error(outcome.message);
    const renewed = { certificate: outcome.certificate, key: outcome.key };
    await updateIdentity(host.dataDir, identity, (before) => ({
      ...before,
      ...renewed,
      caCertificate: outcome.trustRoots,
    }));
    await eventually('the new certificate is taken up', () => {
      return identityOf(host)?.certificate === outcome.certificate;
    });
  }

  #step(host: TestHost, stage: ReturnType<typeof createAllocator>): Transaction[] {
    const { view } = host;
    const everything = { everything: true, changes: [], due: new Set<string>() };
    const decisions = [...stage.step(view, everything, this.now(), () => true)];
    return decisions.flatMap((decision) =>
      decision.kind === 'wake'
        ? []
        : [
            {
              ...this.#transaction(host, decision.changes, { kind: 'stage', name: stage.name }),
              reason: decision.reason,
            },
          ],
    );
  }

  /** @param mayFail whether containers may end now; what replaces them must not end at the same instant */
  async #agents(host: TestHost, mayFail: boolean): Promise<Transaction[]> {
    const { view } = host;
    const changes: Change[] = [];
    for (const node of view.nodes.values()) {
      const object = await this.#described(node);
      if (object !== undefined) changes.push({ op: 'update', table: 'node', object });
    }
    for (const task of view.tasks.values()) {
      const object = fakeProgress(view, task, this.now(), mayFail);
      if (object !== undefined) changes.push({ op: 'update', table: 'task', object });
    }
    return changes.map((change) =>
      this.#transaction(host, [change], { kind: 'agent', name: 'fake agent' }),
    );
  }

  #transaction(
    host: TestHost,
    changes: readonly Change[],
    actor: Transaction['actor'],
  ): Transaction {
    const reason = 'the replay goes on';
    return { id: newId(systemRandom), actor, reason, decidedAt: host.view.index, changes };
  }

  /** The node as its agent and the dispatcher would write it; undefined when it is so. */
  async #described(node: Node): Promise<Node | undefined> {
    const site = [...this.#sites.values()].find(
      (each) => identityOf(each.host)?.nodeId === node.id,
    );
    if (site === undefined) {
      if (node.status.state === 'down') return undefined;
      return { ...node, status: { ...node.status, state: 'down', message: 'heartbeat failure' } };
    }
    const identity = identityOf(site.host);
    if (identity === undefined) return undefined;
    const TLSInfo = await this.#tlsInfo(identity);
    const known = node.description;
    if (
      node.status.state === 'ready' &&
      known?.TLSInfo?.CertIssuerPublicKey === TLSInfo.CertIssuerPublicKey &&
      known.TLSInfo.TrustRoot === TLSInfo.TrustRoot
    )
      return undefined;
    const description = this.#descriptions.get(site.hostname);
    if (description === undefined) throw new Error(`nothing is recorded of ${site.hostname}`);
    const status = {
      ...node.status,
      state: 'ready' as const,
      message: '',
      addr: site.host.address,
    };
    return { ...node, description: { ...description, TLSInfo }, status };
  }

  /** Reading certificates costs; they rarely change. */
  #tlsInfo(identity: Identity): ReturnType<typeof nodeTlsInfo> {
    const known = this.#tls.get(identity.certificate) ?? nodeTlsInfo(identity);
    this.#tls.set(identity.certificate, known);
    return known;
  }

  async join(name: HostName, role: 'worker' | 'manager'): Promise<void> {
    const manager = this.host('n1');
    const host = this.host(name);
    await host.join(manager, manager.token(role));
    await eventually(`${name} is in`, () => host.standing.kind === role);
    await this.settle();
  }

  /** Each host takes up the role that the state gives it. */
  async takeRoles(): Promise<void> {
    for (const { host } of this.#sites.values()) {
      const manager = this.#manager();
      const node = manager?.view.nodes.get(identityOf(host)?.nodeId ?? '');
      if (node === undefined) continue;
      const { Role } = node.spec;
      if (Role === 'manager' && host.standing.kind === 'worker') {
        await eventually(
          'the log allows it',
          () => manager?.view.nodes.get(node.id)?.role === Role,
        );
        await host.renewAsAgent();
      }
      await eventually(`${host.address} is a ${Role}`, () => host.standing.kind === Role);
      await eventually('the managers know', async () => {
        const reached = (await manager?.manager.quorum())?.reachability.get(node.id);
        const isKnown = manager?.view.nodes.get(node.id)?.manager !== undefined;
        return Role === 'manager' ? isKnown && reached === 'reachable' : !isKnown;
      });
    }
    await this.settle();
  }

  async send(exchange: Exchange, path: string, body: Buffer): Promise<Reply> {
    const { socket, engine } = this.#siteOf(exchange.engine);
    engine.expected = exchange;
    if (!['GET', 'HEAD'].includes(exchange.req.method)) this.#isStirred = true;
    const {
      host: _host,
      'content-length': _length,
      connection: _hop,
      ...headers
    } = exchange.req.headers;
    return ask(socket, exchange.req.method, path, headers, body);
  }

  /** Any request of ours. */
  async ask(name: HostName, method: string, path: string, body?: object, headers = {}) {
    const { socket, engine } = this.#siteOf(name);
    engine.expected = this.#known.get(unversioned(path));
    const sent = body === undefined ? {} : { 'content-type': 'application/json' };
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    const reply = await ask(socket, method, path, { ...sent, ...headers }, bytes);
    const isJson = reply.headers['content-type'] === 'application/json' && reply.text !== '';
    return { ...reply, json: isJson ? (JSON.parse(reply.text) as unknown) : undefined };
  }

  /** A request of ours, which the recording holds back. */
  async call(name: HostName, method: string, path: string, json?: unknown): Promise<unknown> {
    const body = Buffer.from(json === undefined ? '' : JSON.stringify(json));
    const headers = json === undefined ? {} : { 'content-type': 'application/json' };
    const reply = await ask(this.#siteOf(name).socket, method, path, headers, body);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return reply.text === '' ? undefined : JSON.parse(reply.text);
  }
}
