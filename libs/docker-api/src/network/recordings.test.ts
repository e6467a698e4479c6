// Every network that the recorded engine made, refused or showed, judged and shown by us.
import { existsSync, readFileSync } from 'node:fs';
import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, type Network, State } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { isForSwarm, parseNetworkRequest } from '../requests/network.ts';
import { attachedNetworkShape, networkShape } from '../shapes/network.ts';
import { networkSpec } from './spec.ts';

const path = new URL('../../../../../shared/contracts/recordings/http-1.50.jsonl', import.meta.url);
const isThere = existsSync(path);
if (!isThere) console.warn(`recordings are not at ${path.pathname}: their tests are skipped`);

interface Shown {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Created: string;
  readonly Containers: object | null;
  readonly Ingress: boolean;
  readonly IPAM: { readonly Config: readonly { Subnet: string; Gateway: string }[] | null };
  readonly Options: Readonly<Record<string, string>> | null;
}

interface Exchange {
  readonly n: number;
  readonly step: string;
  readonly req: {
    readonly method: string;
    readonly path: string;
    readonly body?: { readonly json?: unknown };
  };
  readonly res: { readonly status: number; readonly body?: { readonly json?: unknown } };
}

const exchanges: readonly Exchange[] = isThere
  ? readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Exchange)
      .sort((a, b) => a.n - b.n)
  : [];

const now = Date.parse('2026-11-21T02:57:47.120Z') as Instant;
const meta = { version: 0 as LogIndex, createdAt: now, updatedAt: now };
const plain = (value: unknown): Record<string, unknown> =>
  JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
/** Names that the recorded host had of its own. */
const local = new Set(['bridge', 'host', 'none', 'docker_gwbridge']);
/** Drivers of swarm scope that Swarm takes and we refuse. */
const isOurs = (driver: string): boolean => driver === 'overlay';

/** The networks as they come and go in the recording. */
class Replayed {
  readonly state = new State();
  readonly shown = new Map<string, Shown>();
  #index = 0;

  constructor() {
    for (const { res } of exchanges) {
      const { json } = res.body ?? {};
      for (const one of Array.isArray(json) ? json : [json]) {
        const shown = one as Shown | undefined;
        if (shown?.Scope === 'swarm' && shown.IPAM?.Config?.length === 1)
          this.shown.set(shown.Id, shown);
      }
    }
  }

  write(change: Change): void {
    this.#index += 1;
    const outcome = this.state.applyTransactions(this.#index as LogIndex, now, [
      {
        id: String(this.#index),
        actor: { kind: 'user', name: 'recorded' },
        reason: 'recorded',
        decidedAt: 0 as LogIndex,
        changes: [change],
      },
    ]).outcomes[0];
    expect(outcome).toMatchObject({ kind: 'committed' });
  }

  create(id: string, spec: Network['spec']): void {
    const { IPAM, Options } = this.shown.get(id) ?? {};
    const vni = Number(Options?.['com.docker.network.driver.overlay.vxlanid_list'] ?? 9_999);
    const subnets = (IPAM?.Config ?? []).map(({ Subnet, Gateway }) => {
      return { subnet: Subnet, gateway: Gateway, vni };
    });
    const object: Network = { id, meta, spec, allocation: { subnets, at: now } };
    this.write({ op: 'create', table: 'network', object });
  }

  remove(ref: string): void {
    const { networks } = this.state.view;
    const network = networks.get(ref) ?? networks.byName(ref);
    if (network === undefined) return;
    const { id, meta: read } = network;
    this.write({ op: 'delete', table: 'network', id, version: read.version });
  }

  network(id: string): Network | undefined {
    return this.state.view.networks.get(id);
  }
}

const ingressId = 'th8mjs7as2xecupzx64gd2evj';

/** Calls `look` with each exchange about networks, in a state that holds what came before. */
function replay(look: (exchange: Exchange, replayed: Replayed) => void): void {
  const replayed = new Replayed();
  replayed.create(ingressId, {
    Name: 'ingress',
    Labels: {},
    Driver: 'overlay',
    Internal: false,
    Attachable: false,
    Ingress: true,
    Predefined: false,
  });
  for (const exchange of exchanges) {
    const { method, path: target } = exchange.req;
    look(exchange, replayed);
    const removed = /\/networks\/([^/?]+)$/.exec(target)?.[1];
    if (method === 'DELETE' && removed !== undefined && exchange.res.status === 204)
      replayed.remove(removed);
    const report = exchange.res.body?.json as { NetworksDeleted?: readonly string[] } | undefined;
    if (target.includes('/networks/prune'))
      for (const name of report?.NetworksDeleted ?? []) replayed.remove(name);
  }
}

/** Makes a network as the recorded request asks, under the id that the engine gave it. */
function judge({ req, res }: Exchange, replayed: Replayed): object {
  const asked = parseNetworkRequest(req.body?.json);
  try {
    const spec = networkSpec(replayed.state.view, asked, local);
    const { Id } = (res.body?.json ?? {}) as { Id?: string };
    if (Id !== undefined) replayed.create(Id, spec);
    return { status: 201 };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { status: error.status, message: error.message };
  }
}

describe.skipIf(!isThere)('the recorded networks', () => {
  test('are made and refused as the engine did', () => {
    let judged = 0;
    replay((exchange, replayed) => {
      const { req, res } = exchange;
      if (!req.path.endsWith('/networks/create')) return;
      const asked = parseNetworkRequest(req.body?.json);
      const { message } = (res.body?.json ?? {}) as { message?: string };
      if (!isForSwarm(asked) || !isOurs(asked.Driver ?? '')) return;
      if (message?.startsWith('This node is not a swarm manager')) return;
      judged += 1;
      const expected = message === undefined ? { status: 201 } : { status: res.status, message };
      expect({ step: exchange.step, ...judge(exchange, replayed) }).toEqual({
        step: exchange.step,
        ...expected,
      });
    });
    expect(judged).toBeGreaterThan(12);
  });

  test('are shown as the engine shows them where nothing runs in them', () => {
    let compared = 0;
    replay((exchange, replayed) => {
      const { req, res, step } = exchange;
      if (req.path.endsWith('/networks/create') && res.status === 201) {
        const { Driver = '' } = parseNetworkRequest(req.body?.json);
        if (isOurs(Driver)) judge(exchange, replayed);
      }
      if (req.method !== 'GET' || !/\/networks/.test(req.path) || res.status !== 200) return;
      const { json } = res.body ?? {};
      for (const one of (Array.isArray(json) ? json : [json]) as Shown[]) {
        const network = replayed.network(one.Id);
        if (network === undefined || one.Containers !== null) continue;
        compared += 1;
        const shown = { ...plain(networkShape(network)), Created: one.Created };
        expect({ step, shown }).toEqual({ step, shown: one });
      }
    });
    expect(compared).toBeGreaterThan(15);
  });

  test('are shown among the attachments of tasks', () => {
    const compared = new Set<string>();
    replay((exchange, replayed) => {
      const { req, res } = exchange;
      if (req.path.endsWith('/networks/create') && res.status === 201) {
        const { Driver = '' } = parseNetworkRequest(req.body?.json);
        if (isOurs(Driver)) judge(exchange, replayed);
      }
      if (req.method !== 'GET' || !/\/tasks/.test(req.path) || res.status !== 200) return;
      const { json } = res.body ?? {};
      for (const task of (Array.isArray(json) ? json : [json]) as Tasked[]) {
        for (const { Network: recorded } of task.NetworksAttachments ?? []) {
          const network = replayed.network(recorded.ID);
          if (network === undefined || !replayed.shown.has(network.id)) continue;
          compared.add(network.id);
          const { Version, CreatedAt, UpdatedAt } = recorded;
          const shown = plain(attachedNetworkShape(network));
          expect({ ...shown, Version, CreatedAt, UpdatedAt }).toEqual(recorded);
        }
      }
    });
    expect(compared.size).toBe(4);
  });
});

interface Tasked {
  readonly NetworksAttachments?: readonly {
    readonly Network: { readonly ID: string } & Readonly<Record<string, unknown>>;
  }[];
}
