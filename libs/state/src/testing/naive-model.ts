import {
  type Attachment,
  type Change,
  type Meta,
  type Network,
  type Node,
  type Refusal,
  type Revision,
  type Secret,
  type Service,
  type StateObject,
  type TableName,
  type Task,
  type Transaction,
  taskStateRank,
  type VolumeHome,
} from '../index.ts';
import { addressUsers, addressVerdict } from './naive-addresses.ts';

/**
 * The state machine once more, as simple as it can be: plain lists, copied for every transaction,
 * searched from front to back, no index, no undo. The real one is compared with it.
 */

export type Lists = Record<TableName, StateObject[]>;
export type Verdict = { change: number; kind: Refusal['kind'] } | undefined;

/** What constraints look at. */
const facts = ({ role, spec, status, description }: Node): string => {
  const { Hostname, Platform, Engine: { Labels } = {} } = description ?? {};
  return JSON.stringify([role, spec.Labels, status.addr, Hostname, Platform, Labels]);
};
const withTime = (before: Node, after: Node, time: number): StateObject => {
  const factsChangedAt = facts(before) === facts(after) ? before.factsChangedAt : time;
  return factsChangedAt === undefined ? after : ({ ...after, factsChangedAt } as Node);
};

const held = (task: Task): boolean =>
  task.nodeId !== '' &&
  taskStateRank[task.status.state] >= taskStateRank.assigned &&
  taskStateRank[task.status.state] <= taskStateRank.running;

const stopped = (task: Task): boolean => taskStateRank[task.status.state] > taskStateRank.running;

const counted = (task: Task): boolean =>
  held(task) && taskStateRank[task.desired] <= taskStateRank.complete;

export class NaiveModel {
  lists: Lists = {
    cluster: [],
    node: [],
    network: [],
    service: [],
    revision: [],
    task: [],
    lease: [],
    volumeHome: [],
    attachment: [],
    secret: [],
    config: [],
  };

  /** Undefined when it is committed. */
  transact(index: number, time: number, transaction: Transaction): Verdict {
    const { lease, changes } = transaction;
    if (lease && this.find('lease', lease.id)?.meta.version !== lease.epoch)
      return { change: -1, kind: 'stale-lease' };
    const before = this.lists;
    this.lists = Object.fromEntries(
      Object.entries(before).map(([table, list]) => [table, [...list]]),
    ) as Lists;
    for (const [at, change] of changes.entries()) {
      const kind = this.#change(index, time, change, before, changes.slice(0, at));
      if (kind === undefined) continue;
      this.lists = before;
      return { change: at, kind };
    }
    for (const [at, change] of changes.entries()) {
      if (change.op === 'delete' || this.#whole(change.table, change.object.id)) continue;
      this.lists = before;
      return { change: at, kind: 'missing-reference' };
    }
    return undefined;
  }

  find(table: TableName, id: string): StateObject | undefined {
    return this.lists[table].find((object) => object.id === id);
  }

  tasks(): readonly Task[] {
    return this.lists.task as Task[];
  }

  /** What is taken on a node, counted from scratch. */
  usage(nodeId: string) {
    const tasks = this.tasks().filter((task) => task.nodeId === nodeId && held(task));
    const usage = {
      nanoCpus: 0,
      memoryBytes: 0,
      generic: new Map<string, number>(),
      named: new Set<string>(),
      hostPorts: new Map<string, number>(),
      tasks: tasks.length,
      tasksByService: new Map<string, number>(),
    };
    const add = (map: Map<string, number>, key: string, amount: number): void => {
      if (amount > 0) map.set(key, (map.get(key) ?? 0) + amount);
    };
    for (const task of tasks) {
      const reservations = this.#reservations(task);
      usage.nanoCpus += reservations?.NanoCPUs ?? 0;
      usage.memoryBytes += reservations?.MemoryBytes ?? 0;
      for (const { DiscreteResourceSpec: discrete } of reservations?.GenericResources ?? [])
        add(usage.generic, discrete?.Kind ?? '', discrete?.Value ?? 0);
      for (const port of this.#ports(task)) add(usage.hostPorts, port, 1);
      for (const { NamedResourceSpec: named } of task.genericResources ?? [])
        if (named) usage.named.add(`${named.Kind}=${named.Value}`);
      add(usage.tasksByService, task.serviceId, 1);
    }
    return usage;
  }

  #change(
    index: number,
    time: number,
    change: Change,
    before: Lists,
    earlier: readonly Change[],
  ): Refusal['kind'] | undefined {
    const { table } = change;
    const id = change.op === 'delete' ? change.id : change.object.id;
    const list = this.lists[table];
    const current = this.find(table, id);
    if (change.op === 'create') {
      if (current || (table === 'cluster' && list.length > 0)) return 'already-exists';
      const refused = this.#createRefused(table, change.object);
      if (refused) return refused;
      list.push({ ...change.object, meta: made(index, time, time) });
      return undefined;
    }
    if (!current) return 'not-found';
    const read = change.op === 'delete' ? change.version : change.object.meta.version;
    if (!this.#versions(table, id, current, before, earlier).includes(read))
      return 'version-conflict';
    if (change.op === 'delete') {
      if (table === 'cluster') return 'immutable';
      if (table === 'node' && managing(current as Node)) return 'is-manager';
      if (this.#used(table, current)) return 'in-use';
      this.lists[table] = list.filter((object) => object !== current);
      return undefined;
    }
    const refused = this.#updateRefused(table, current, change.object);
    if (refused) return refused;
    const meta = made(index, current.meta.createdAt, time);
    const written = { ...change.object, meta };
    const after = table === 'node' ? withTime(current as Node, written as Node, time) : written;
    this.lists[table] = list.map((object) => (object === current ? after : object));
    return undefined;
  }

  /** The current version; for own writes also the one before the transaction, or 0 for creations. */
  #versions(
    table: TableName,
    id: string,
    current: StateObject,
    before: Lists,
    earlier: readonly Change[],
  ): readonly number[] {
    const own = earlier.filter(
      (change) =>
        change.table === table && (change.op === 'delete' ? change.id : change.object.id) === id,
    );
    if (own.length === 0) return [current.meta.version];
    const start = before[table].find((object) => object.id === id);
    const created = own.some(({ op }) => op === 'create');
    return [current.meta.version, ...(start ? [start.meta.version] : []), ...(created ? [0] : [])];
  }

  #createRefused(table: TableName, object: StateObject): Refusal['kind'] | undefined {
    if (table === 'service' || table === 'network')
      return this.#nameRefused(table, object) ?? addressVerdict(this.lists, table, object);
    if (table === 'attachment') return addressVerdict(this.lists, table, object);
    if (table === 'secret' || table === 'config')
      return this.lists[table].some((one) => nameOf(one) === nameOf(object))
        ? 'name-conflict'
        : undefined;
    if (table !== 'task') return undefined;
    const task = object as Task;
    if (!this.find('service', task.serviceId)) return 'missing-reference';
    if (!this.#revision(task)) return 'missing-reference';
    if (task.nodeId !== '' && !this.find('node', task.nodeId)) return 'missing-reference';
    const misfit = held(task) ? this.#misfit(task) : undefined;
    return misfit ?? addressVerdict(this.lists, table, object);
  }

  #updateRefused(
    table: TableName,
    before: StateObject,
    after: StateObject,
  ): Refusal['kind'] | undefined {
    if (table === 'revision') return 'immutable';
    if (table === 'node') return this.#lastManager(before as Node, after as Node);
    if (table === 'service' || table === 'network')
      return this.#nameRefused(table, after) ?? addressVerdict(this.lists, table, after, before);
    if (table === 'attachment') return addressVerdict(this.lists, table, after, before);
    if (table === 'secret' || table === 'config')
      return contentOf(before) === contentOf(after) ? this.#nameRefused(table, after) : 'immutable';
    if (table !== 'task') return undefined;
    const [old, task] = [before as Task, after as Task];
    const same =
      old.serviceId === task.serviceId &&
      old.slot === task.slot &&
      old.revision === task.revision &&
      old.jobIteration === task.jobIteration;
    if (!same || (old.nodeId !== '' && old.nodeId !== task.nodeId)) return 'immutable';
    if (old.networks && JSON.stringify(old.networks) !== JSON.stringify(task.networks))
      return 'immutable';
    if (held(old) && JSON.stringify(old.genericResources) !== JSON.stringify(task.genericResources))
      return 'immutable';
    const back =
      taskStateRank[task.status.state] < taskStateRank[old.status.state] ||
      taskStateRank[task.desired] < taskStateRank[old.desired];
    if (back) return 'state-moved-back';
    if (old.nodeId !== task.nodeId && !this.find('node', task.nodeId)) return 'missing-reference';
    const misfit = held(task) && !held(old) ? this.#misfit(task) : undefined;
    return misfit ?? addressVerdict(this.lists, table, task, old);
  }

  #lastManager(before: Node, after: Node): 'last-manager' | undefined {
    const wanted = (this.lists.node as Node[])
      .map((node) => (node.id === before.id ? after : node))
      .filter(({ spec }) => spec.Role === 'manager');
    return before.spec.Role === 'manager' && wanted.length === 0 ? 'last-manager' : undefined;
  }

  #nameRefused(
    table: 'service' | 'network' | 'secret' | 'config',
    object: StateObject,
  ): 'name-conflict' | undefined {
    const nameOf = (other: StateObject): string =>
      table === 'service'
        ? (other as Service).name.toLowerCase()
        : (other as { spec: { Name: string } } & StateObject).spec.Name;
    const clash = this.lists[table].some(
      (other) => other.id !== object.id && nameOf(other) === nameOf(object),
    );
    return clash ? 'name-conflict' : undefined;
  }

  #misfit(task: Task): Refusal['kind'] | undefined {
    const node = this.find('node', task.nodeId) as Node;
    const has = node.description?.Resources;
    const used = this.usage(task.nodeId);
    const asked = this.#reservations(task);
    const lacks = (ask = 0, all = 0, taken = 0): boolean => ask > 0 && ask > all - taken;
    if (lacks(asked?.NanoCPUs, has?.NanoCPUs, used.nanoCpus)) return 'over-capacity';
    if (lacks(asked?.MemoryBytes, has?.MemoryBytes, used.memoryBytes)) return 'over-capacity';
    for (const { DiscreteResourceSpec: ask } of asked?.GenericResources ?? []) {
      const all = has?.GenericResources?.find(
        ({ DiscreteResourceSpec: own }) => own?.Kind === ask?.Kind,
      );
      const total = all?.DiscreteResourceSpec?.Value;
      if (lacks(ask?.Value, total, used.generic.get(ask?.Kind ?? ''))) return 'over-capacity';
    }
    if (!this.#namesFree(task, node, used.named)) return 'over-capacity';
    if (this.#ports(task).some((port) => used.hostPorts.has(port))) return 'host-port-taken';
    const max = this.#revision(task)?.spec.TaskTemplate.Placement?.MaxReplicas ?? 0;
    const others = this.tasks().filter(
      (other) =>
        other.nodeId === task.nodeId && other.serviceId === task.serviceId && counted(other),
    );
    return max > 0 && counted(task) && others.length >= max ? 'too-many-replicas' : undefined;
  }

  #namesFree(task: Task, node: Node, taken: ReadonlySet<string>): boolean {
    const names = (task.genericResources ?? []).flatMap(({ NamedResourceSpec: named }) =>
      named ? [`${named.Kind}=${named.Value}`] : [],
    );
    const has = (node.description?.Resources.GenericResources ?? []).map(
      ({ NamedResourceSpec: named }) => `${named?.Kind}=${named?.Value}`,
    );
    const free = names.filter((name) => has.includes(name) && !taken.has(name));
    return free.length === new Set(names).size && free.length === names.length;
  }

  #used(table: TableName, object: StateObject): boolean {
    if (table === 'node')
      return this.tasks().some((task) => task.nodeId === object.id && !stopped(task));
    if (table === 'network')
      return (
        addressUsers(this.lists, object.id) ||
        (this.lists.revision as Revision[]).some(
          (revision) =>
            joins(revision, object as Network) &&
            ((this.find('service', revision.serviceId) as Service)?.revision === revision.number ||
              this.tasks().some((task) => this.#revision(task) === revision && !stopped(task))),
        )
      );
    if (table === 'secret' || table === 'config')
      return (this.lists.revision as Revision[]).some(
        (revision) =>
          documents(revision).includes(`${table} ${object.id}`) &&
          (this.find('service', revision.serviceId) as Service)?.revision === revision.number,
      );
    if (table !== 'revision') return false;
    const service = this.find('service', (object as Revision).serviceId) as Service | undefined;
    const { number } = object as Revision;
    return (
      service?.revision === number ||
      service?.previousRevision === number ||
      this.tasks().some((task) => this.#revision(task) === object)
    );
  }

  /** True when everything a written service or revision refers to is there. */
  #whole(table: TableName, id: string): boolean {
    const object = this.find(table, id);
    if (!object) return true;
    if (table === 'revision')
      return (
        this.find('service', (object as Revision).serviceId) !== undefined &&
        this.#allThere(object as Revision)
      );
    if (table === 'attachment')
      return (
        this.find('network', (object as Attachment).networkId) !== undefined &&
        this.find('node', (object as Attachment).nodeId) !== undefined
      );
    if (table === 'volumeHome')
      return this.find('service', (object as VolumeHome).serviceId) !== undefined;
    if (table !== 'service') return true;
    const { revision, previousRevision = revision } = object as Service;
    const current = this.find('revision', `${id}.${revision}`) as Revision | undefined;
    return (
      current !== undefined &&
      this.find('revision', `${id}.${previousRevision}`) !== undefined &&
      this.#allThere(current)
    );
  }

  #allThere(revision: Revision): boolean {
    return (
      targets(revision).every((target) => this.find('network', target)) &&
      documents(revision).every((named) => {
        const [table = '', id = ''] = named.split(' ');
        return this.find(table as TableName, id);
      })
    );
  }

  #revision({ serviceId, revision }: Task): Revision | undefined {
    return this.find('revision', `${serviceId}.${revision}`) as Revision | undefined;
  }

  #reservations(task: Task) {
    return this.#revision(task)?.spec.TaskTemplate.Resources?.Reservations;
  }

  #ports(task: Task): readonly string[] {
    const ports = this.#revision(task)?.spec.EndpointSpec?.Ports ?? [];
    const keys = ports
      .filter(({ PublishMode, PublishedPort }) => PublishMode === 'host' && PublishedPort)
      .map(({ Protocol, PublishedPort }) => `${Protocol}/${PublishedPort}`);
    return [...new Set(keys)];
  }
}

function managing({ spec, role }: Node): boolean {
  return spec.Role === 'manager' || role === 'manager';
}

/** Kind and id of every secret and config that the revision names. */
export function documents({ spec }: Revision): readonly string[] {
  const { Secrets = [], Configs = [] } = spec.TaskTemplate.ContainerSpec;
  return [
    ...Secrets.map(({ SecretID }) => `secret ${SecretID}`),
    ...Configs.map(({ ConfigID }) => `config ${ConfigID}`),
  ];
}

function nameOf(document: StateObject): string {
  return (document as Secret).spec.Name;
}

function contentOf(document: StateObject): string {
  return JSON.stringify((document as Secret).data);
}

function targets(revision: Revision): readonly string[] {
  return (revision.spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target);
}

function joins(revision: Revision, { id, spec }: Network): boolean {
  const ports = revision.spec.EndpointSpec?.Ports ?? [];
  const publishes = ports.some(({ PublishMode }) => PublishMode === 'ingress');
  return targets(revision).includes(id) || (spec.Ingress && publishes);
}

function made(version: number, createdAt: number, updatedAt: number): Meta {
  return { version, createdAt, updatedAt } as Meta;
}
