import { createServer, type IncomingMessage, type Server } from 'node:http';
import { systemClock } from '@shoal/runtime';
import type { Network, StateView, Task } from '@shoal/state';
import { type Answer, FakeSite } from './fake-host.ts';

export interface FakeNetwork {
  readonly Name: string;
  readonly Id: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Created: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Containers: Readonly<Record<string, object>>;
}

export const hex = (digit: string): string => digit.repeat(64);
export const local = (Name: string, Id: string, more: Partial<FakeNetwork> = {}): FakeNetwork => ({
  Name,
  Id,
  Driver: 'bridge',
  Scope: 'local',
  Created: new Date(Date.now() - 60_000).toISOString(),
  Labels: {},
  Containers: {},
  ...more,
});

/** An engine that has networks and keeps what it was asked to do. */
export class FakeEngine {
  networks: FakeNetwork[] = [
    local('bridge', hex('a')),
    local('host', hex('b'), { Driver: 'host' }),
    local('none', hex('c'), { Driver: 'null' }),
    local('mine', hex('d')),
  ];
  /** Networks that containers are in. */
  readonly busy = new Set<string>();
  /** Containers as they are inspected, by the name they are asked for by. */
  readonly containers: Record<string, object> = {};
  readonly done: { readonly call: string; readonly body: unknown }[] = [];
  /** The bodies of what it was asked to do, as they came. */
  readonly said: string[] = [];
  readonly server: Server = createServer((request, response) => {
    const refused = () => fail(400, 'the fake engine cannot read this');
    void this.#answer(request)
      .catch(refused)
      .then(({ status, json }) => {
        response.writeHead(status, { 'content-type': 'application/json', 'api-version': '1.41' });
        response.end(JSON.stringify(json));
      });
  });

  async #answer(request: IncomingMessage): Promise<{ status: number; json: unknown }> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const url = new URL(request.url ?? '/', 'http://engine');
    const path = url.pathname.replace(/^\/v[\d.]+/, '');
    if (path === '/_ping') return { status: 200, json: 'OK' };
    if (path === '/networks') return { status: 200, json: this.#listed(url) };
    const ref = /^\/networks\/([^/]+)$/.exec(path)?.[1];
    if (request.method === 'GET') {
      const container = /^\/containers\/([^/]+)\/json$/.exec(path)?.[1];
      if (container !== undefined) return this.#inspected(container);
      const found = this.networks.find(({ Name, Id }) => Name === ref || Id === ref);
      if (found !== undefined) return { status: 200, json: found };
      return { status: 404, json: { message: `network ${ref} not found` } };
    }
    const call = `${request.method} ${path}`;
    this.said.push(body);
    this.done.push({
      call,
      body: body === '' ? url.searchParams.get('filters') : JSON.parse(body),
    });
    if (path.endsWith('/start'))
      return { status: 404, json: { message: 'network nope not found' } };
    if (request.method === 'DELETE')
      return { status: this.busy.has(ref ?? '') ? 403 : 204, json: {} };
    return { status: 201, json: { Id: hex('e'), Warning: '' } };
  }

  #inspected(ref: string): { status: number; json: unknown } {
    const json = this.containers[ref];
    if (json === undefined) return { status: 404, json: { message: `No such container: ${ref}` } };
    return { status: 200, json };
  }

  #listed(url: URL): readonly FakeNetwork[] {
    const filters = JSON.parse(url.searchParams.get('filters') ?? '{}') as { label?: unknown };
    const asked = Array.isArray(filters.label) ? String(filters.label[0]) : '';
    const [key = '', value] = asked.split('=');
    return this.networks.filter(
      ({ Labels }) => asked === '' || (value === undefined ? key in Labels : Labels[key] === value),
    );
  }
}

/** A refusal in Docker's shape. */
export const fail = (status: number, message: string) => ({ status, json: { message } });
export const overlay = (Name: string, more: object = {}) => ({ Name, Driver: 'overlay', ...more });
export const service = (Name: string, more: object = {}, template: object = {}) => ({
  Name,
  TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ...template },
  Mode: { Replicated: { Replicas: 1 } },
  ...more,
});

/** The whole server in front of a fake engine that has networks. */
export class NetworkSite extends FakeSite {
  readonly engine: FakeEngine;

  constructor() {
    const engine = new FakeEngine();
    super(engine.server);
    this.engine = engine;
  }

  get view(): StateView {
    return this.host.log.view;
  }

  init(): Promise<Answer> {
    return this.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  }

  /** Makes an overlay network; gives its id. */
  async create(name: string, more: object = {}): Promise<string> {
    const answer = await this.ask('POST', '/networks/create', overlay(name, more));
    if (answer.status !== 201) throw new Error(answer.text);
    return (answer.json as { Id: string }).Id;
  }

  /** Makes a service; gives its id. */
  async serve(name: string, more: object = {}, template: object = {}): Promise<string> {
    const answer = await this.ask('POST', '/services/create', service(name, more, template));
    if (answer.status !== 201) throw new Error(answer.text);
    return (answer.json as { ID: string }).ID;
  }

  networkOf(id: string): Network {
    const network = this.view.networks.get(id);
    if (network === undefined) throw new Error(`no network ${id}`);
    return network;
  }

  /** Does what the allocator does. */
  allocate(id: string, block: string, vni: number): void {
    const subnets = [{ subnet: `${block}.0/24`, gateway: `${block}.1`, vni }];
    const object = { ...this.networkOf(id), allocation: { subnets, at: systemClock.now() } };
    this.host.log.write([{ op: 'update', table: 'network', object }]);
  }

  /** Puts what stands for a network on this host. */
  standIn(id: string, name: string, Containers: Readonly<Record<string, object>> = {}): void {
    const Labels = { 'com.shoal.network': id, tier: 'front' };
    const own = { Driver: 'shoal', Labels, Containers };
    this.engine.networks = [...this.engine.networks, local(name, hex('f'), own)];
  }

  /** Makes a task that runs, with an address in the network if one is given. */
  addTask(serviceId: string, networkId?: string): Task {
    const [node] = this.view.nodes.values();
    const object: Task = {
      id: 't'.repeat(25),
      meta: { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'],
      serviceId,
      slot: this.#isGlobal(serviceId) ? 0 : 1,
      nodeId: node?.id ?? '',
      revision: 1,
      desired: 'running',
      status: { state: 'running', at: systemClock.now(), message: 'started', err: '' },
      networks: networkId === undefined ? undefined : [{ networkId, addresses: ['10.0.9.5/24'] }],
    };
    this.host.log.write([{ op: 'create', table: 'task', object }]);
    return object;
  }

  #isGlobal(serviceId: string): boolean {
    return this.view.revisions.of(serviceId, 1)?.spec.Mode.Global !== undefined;
  }
}
