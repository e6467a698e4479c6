import {
  type Lease,
  type Node,
  type Revision,
  type Service,
  type StateObject,
  type StateView,
  type TaskState,
  taskStateRank,
  type VolumeHome,
} from '../index.ts';
import type { NaiveModel } from './naive-model.ts';

/** Every way to read a state of the random histories, written out; order counts. */

const services = ['s1', 's2', 's3'];
const nodes = ['n1', 'n2', 'n3'];
const slots = [0, 1, 2];
const numbers = [1, 2];
const states = Object.keys(taskStateRank) as TaskState[];

function ids(objects: Iterable<StateObject>): readonly string[] {
  return Array.from(objects, ({ id }) => id);
}

export function readsOf(view: StateView): object {
  const { tasks, revisions, leases, networks, volumeHomes } = view;
  const tables = [view.nodes, networks, view.services, revisions, tasks, leases, volumeHomes];
  return {
    index: view.index,
    objects: tables.map((table) => [...table.values()]),
    sizes: tables.map((table) => table.size),
    prefixes: tables.map((table) => ids(table.byIdPrefix('s1', 2))),
    byService: services.map((id) => ids(tasks.byService(id))),
    counts: services.map((id) => tasks.countByService(id)),
    bySlot: services.map((id) => slots.map((slot) => ids(tasks.bySlot(id, slot)))),
    byNode: nodes.map((id) => ids(tasks.byNode(id))),
    byState: states.map((state) => ids(tasks.byState(state))),
    revisions: services.map((id) => ids(revisions.byService(id))),
    revision: services.map((id) => numbers.map((number) => revisions.of(id, number))),
    leases: ['scheduler', 'allocator'].map((stage) => ids(leases.byStage(stage))),
    homes: services.map((id) => ids(volumeHomes.byService(id))),
    home: services.map((id) => slots.map((slot) => volumeHomes.of(id, slot))),
    service: services.map((name) => view.services.byName(name.toUpperCase())),
    network: ['w1', 'w2'].map((name) => networks.byName(name)),
    hosts: ['h1', 'h2', 'host-n1'].map((name) => ids(view.nodes.byHostname(name))),
    usage: nodes.map((id) => ({ ...view.usage(id) })),
  };
}

/** The same from the model's plain lists, by searching them. */
export function naiveReadsOf(model: NaiveModel, index: number): object {
  const { node, network, service, revision, lease, volumeHome } = model.lists;
  const tasks = model.tasks();
  const tables = [node, network, service, revision, tasks, lease, volumeHome];
  const homes = volumeHome as VolumeHome[];
  const of = (id: string) => tasks.filter((task) => task.serviceId === id);
  const named = (name: string) => (one: StateObject) =>
    (one as Service).name.toLowerCase() === name;
  const revisions = revision as Revision[];
  return {
    index,
    objects: tables,
    sizes: tables.map((table) => table.length),
    prefixes: tables.map((table) => ids(table.filter(({ id }) => id.startsWith('s1')).slice(0, 2))),
    byService: services.map((id) => ids(of(id))),
    counts: services.map((id) => of(id).length),
    bySlot: services.map((id) =>
      slots.map((slot) => ids(of(id).filter((task) => task.slot === slot))),
    ),
    byNode: nodes.map((id) => ids(tasks.filter((task) => task.nodeId === id))),
    byState: states.map((state) => ids(tasks.filter((task) => task.status.state === state))),
    revisions: services.map((id) => ids(revisions.filter((one) => one.serviceId === id))),
    revision: services.map((id) =>
      numbers.map((number) => revisions.find((one) => one.id === `${id}.${number}`)),
    ),
    leases: ['scheduler', 'allocator'].map((stage) =>
      ids((lease as Lease[]).filter((one) => one.stage === stage)),
    ),
    homes: services.map((id) => ids(homes.filter((one) => one.serviceId === id))),
    home: services.map((id) =>
      slots.map((slot) => homes.find((one) => one.id === `${id}.${slot}`)),
    ),
    service: services.map((name) => service.find(named(name))),
    network: ['w1', 'w2'].map((name) =>
      network.find((one) => (one as StateObject & { spec: { Name: string } }).spec.Name === name),
    ),
    hosts: ['h1', 'h2', 'host-n1'].map((name) =>
      ids((node as Node[]).filter((one) => one.description?.Hostname === name)),
    ),
    usage: nodes.map((id) => model.usage(id)),
  };
}
