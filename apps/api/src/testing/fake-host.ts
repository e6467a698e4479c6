import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ApiError,
  apiErrors,
  type Quorum,
  type SwarmInit,
  type SwarmJoin,
} from '@shoal/docker-api';
import { Engine } from '@shoal/link/proxy';
import { type Logger, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { ProposalFailure, Replica } from '@shoal/stage';
import { FakeLog } from '@shoal/stage/testing';
import { conceive } from '../cluster/genesis.ts';
import { SpecHistory } from '../cluster/spec-history.ts';
import type { Standing, SwarmHost } from '../cluster/standing.ts';
import type { NodeLink } from '../containers/container-router.ts';
import type { Dashboard, Invitation } from '../dashboard/dashboard.ts';
import { SwarmEvents } from '../events/swarm-events.ts';
import type { ExplainSource } from '../explain/source.ts';
import { type ApiServer, createApiServer } from '../http/server.ts';
import type { LogSource } from '../logs/log-source.ts';
import type { AttachNetwork } from '../networks/attach.ts';
import { fakeLogs } from './fake-logs.ts';

/** A host with a log in memory instead of a voter; everything above that is real. */
export class FakeHost implements SwarmHost {
  readonly log = new FakeLog({ clock: systemClock, random: systemRandom });
  readonly events: SwarmEvents;
  standing: Standing = { kind: 'inactive' };
  takingUp: Promise<void> | undefined;
  /** What the leader would say of the managers. */
  quorum: Quorum = { leader: undefined, reachability: new Map() };
  /** While it is set, nobody can say what is newest. */
  leaderless: ProposalFailure | undefined;
  readonly joins: SwarmJoin[] = [];
  readonly unlocks: string[] = [];

  constructor(events: SwarmEvents) {
    this.events = events;
  }

  async init(asked: SwarmInit): Promise<string> {
    if (this.standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    const place = {
      listen: { host: '0.0.0.0', port: 2_377 },
      advertise: { host: '10.0.0.1', port: 2_377 },
      dispatcher: { host: '0.0.0.0', port: 2_378 },
    };
    const { identity, changes } = await conceive(asked, place, systemClock, systemRandom);
    this.log.write(changes);
    const replica = this.log.replica();
    this.events.follow(replica);
    const { nodeId, sealKey } = identity;
    if (sealKey === undefined) throw new Error('a founder without seal key');
    this.quorum = { leader: nodeId, reachability: new Map([[nodeId, 'reachable']]) };
    const quorum = async (): Promise<Quorum> => this.quorum;
    const watched: Replica = {
      get view() {
        return replica.view;
      },
      ready: true,
      propose: async (transactions) => this.leaderless ?? replica.propose(transactions),
      catchUp: async () => this.leaderless ?? replica.catchUp(),
      subscribe: (listener) => replica.subscribe(listener),
    };
    const specs = new SpecHistory(watched);
    const flushAudit = async (): Promise<void> => undefined;
    const manager = { identity, sealKey, replica: watched, specs, quorum, flushAudit };
    this.standing = { kind: 'manager', manager };
    return nodeId;
  }

  async join(request: SwarmJoin): Promise<void> {
    this.joins.push(request);
  }

  async leave(force: boolean): Promise<void> {
    if (!force) throw apiErrors.leaveLastManager();
    this.standing = { kind: 'inactive' };
  }

  async unlock(key: string): Promise<void> {
    this.unlocks.push(key);
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

const noLogs: LogSource = {
  subscribe: () => {
    throw new ApiError(500, 'no logs in this test');
  },
};

const noDashboard: Invitation = { kind: 'silent', message: 'no dashboard in this test' };

/** The whole server on a real unix socket, in front of a fake engine. */
export class FakeSite {
  readonly directory = mkdtempSync(join(tmpdir(), 'shoal-api-'));
  readonly socket = join(this.directory, 'docker.sock');
  readonly events = new SwarmEvents();
  readonly host = new FakeHost(this.events);
  /** What the schedulers tell. */
  explain: ExplainSource = {
    ask: async () => ({ kind: 'silent', reason: 'no scheduler in this test' }),
  };
  logger: Logger = silentLogger;
  /** What the agent of this host says. */
  attach: AttachNetwork = async () => ({ kind: 'refused', problem: 'no agent in this test' });
  /** How other nodes are asked. */
  link: NodeLink | undefined;
  /** The dashboard in front of it. */
  dashboard: Pick<Dashboard, 'invite'> | undefined;
  readonly observed: string[] = [];
  readonly #engine: Server;
  #server: ApiServer | undefined;

  constructor(
    fakeEngine: Server = createServer((_request, response) => response.writeHead(404).end('{}')),
  ) {
    this.#engine = fakeEngine;
  }

  async start(logs: LogSource = noLogs): Promise<void> {
    const path = join(this.directory, 'engine.sock');
    await new Promise<void>((resolve) => this.#engine.listen(path, resolve));
    const engine = new Engine(`unix://${path}`, { kind: 'unix', path });
    const server = await createApiServer(
      {
        host: this.host,
        engine,
        events: this.events,
        logs: fakeLogs(logs, () => this.host.standing.kind === 'manager'),
        explain: { ask: (...about) => this.explain.ask(...about) },
        attach: (network) => this.attach(network),
        link: this.link,
        dashboard: { invite: () => this.dashboard?.invite() ?? noDashboard },
        dataDir: this.directory,
        clock: systemClock,
        random: systemRandom,
        logger: this.logger,
      },
      { observe: (route, method, status) => this.observed.push(`${method} ${route} ${status}`) },
    );
    this.#server = server;
    await new Promise<void>((resolve) => server.server.listen(this.socket, resolve));
  }

  /** Answers what has come by another door. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.#server?.server.emit('request', request, response);
  }

  async close(): Promise<void> {
    await this.#server?.close(0);
    await this.stopEngine();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async stopEngine(): Promise<void> {
    this.#engine.closeAllConnections();
    await new Promise<void>((resolve) => this.#engine.close(() => resolve()));
  }

  ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.socket, method, path, headers: { ...type, ...headers } },
        (response) => {
          let received = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            received += chunk;
          });
          response.on('end', () => {
            let json: unknown;
            try {
              json = JSON.parse(received);
            } catch {
              json = undefined;
            }
            const { statusCode: status = 0, headers: told } = response;
            resolve({ status, headers: told, text: received, json });
          });
        },
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : text);
    });
  }
}
