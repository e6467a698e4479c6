import {
  type Attachment,
  type Lease,
  type Network,
  type Node,
  type Revision,
  type Secret,
  type Service,
  type StateObject,
  type StateView,
  type TaskState,
  taskStateRank,
  type VolumeHome,
} from '../index.ts';
import { allHeld, bare, heldBy, portsOf } from './naive-addresses.ts';
import { documents, type NaiveModel } from './naive-model.ts';

/** Every way to read a state of the random histories, written out; order counts. */

const services = ['s1', 's2', 's3'];
const nodes = ['n1', 'n2', 'n3'];
const slots = [0, 1, 2];
const numbers = [1, 2];
const kinds = ['node', 'container'] as const;
const networkIds = ['w1', 'w2', 'w9'];
const addresses = Array.from({ length: 16 }, (_, n) => `10.0.0.${n}`);
const states = Object.keys(taskStateRank) as TaskState[];

function ids(objects: Iterable<StateObject>): readonly string[] {
  return Array.from(objects, ({ id }) => id);
}

export function readsOf(view: StateView): object {
  const { tasks, revisions, leases, networks, volumeHomes, attachments, secrets, configs } = view;
  const rest = [tasks, leases, volumeHomes, attachments, secrets, configs];
  const tables = [view.nodes, networks, view.services, revisions, ...rest];
  return {
    index: view.index,
    objects: tables.map((table) => [...table.values()]),
    sizes: tables.map((table) => table.size),
    prefixes: tables.map((table) => ids(table.byIdPrefix('s1', 2))),
    byService: services.map((id) => ids(tasks.byService(id))),
    bySlot: services.map((id) => slots.map((slot) => ids(tasks.bySlot(id, slot)))),
    byNode: nodes.map((id) => ids(tasks.byNode(id))),
    byState: states.map((state) => ids(tasks.byState(state))),
    revisions: services.map((id) => ids(revisions.byService(id))),
    revision: services.map((id) => numbers.map((number) => revisions.of(id, number))),
    leases: ['scheduler', 'allocator'].map((stage) => ids(leases.byStage(stage))),
    homes: services.map((id) => ids(volumeHomes.byService(id))),
    home: services.map((id) => slots.map((slot) => volumeHomes.of(id, slot))),
    service: services.map((name) => view.services.byName(name.toUpperCase())),
    network: ['w1', 'w2'].map((name) => [
      networks.byName(name),
      networks.byNameAnyCase(name.toUpperCase()),
    ]),
    hosts: ['h1', 'h2', 'host-n1'].map((name) => ids(view.nodes.byHostname(name))),
    usage: nodes.map((id) => ({ ...view.usage(id) })),
    ingress: networks.ingress,
    inNetwork: networkIds.map((id) => [
      ids(view.services.byNetwork(id)),
      ids(tasks.byNetwork(id)),
      ids(attachments.byNetwork(id)),
      kinds.map((kind) => attachments.countByNetwork(id, kind)),
      addresses.map((address) => view.addresses(id).holder(address)),
      [...view.addresses(id).addresses()].sort(),
      view.addresses(id).count(4),
    ]),
    attachments: nodes.map((id) => ids(attachments.byNode(id))),
    secrets: ['x1', 'x2'].map((id) => [
      secrets.byName(id)?.id,
      secrets.byNameAnyCase(id.toUpperCase())?.id,
      ids(view.services.byDocument('secret', id)),
    ]),
    configs: ['f1', 'f2'].map((id) => [
      configs.byName(id)?.id,
      configs.byNameAnyCase(id.toUpperCase())?.id,
      ids(view.services.byDocument('config', id)),
    ]),
    ports: ['tcp/8080', 'tcp/8081'].map((port) => view.ingressPorts.get(port)),
    vnis: [4096, 4097].map((vni) => view.vnis.get(vni)),
  };
}

/** What {@link readsOf} should give: read from the model's plain lists, by searching them. */
export function naiveReadsOf(model: NaiveModel, index: number): object {
  const { node, network, service, revision, lease, volumeHome, attachment } = model.lists;
  const { secret, config } = model.lists;
  const tasks = model.tasks();
  const rest = [lease, volumeHome, attachment, secret, config];
  const tables = [node, network, service, revision, tasks, ...rest];
  const attachments = attachment as Attachment[];
  const ingress = (network as Network[]).find(({ spec }) => spec.Ingress);
  const allocated = network as Network[];
  const homes = volumeHome as VolumeHome[];
  const of = (id: string) => tasks.filter((task) => task.serviceId === id);
  const named = (name: string) => (one: StateObject) =>
    (one as Service).name.toLowerCase() === name;
  const revisions = revision as Revision[];
  const servicesIn = (id: string, isIngress: boolean): readonly string[] => {
    const targeting = revisions.filter(({ spec }) =>
      spec.TaskTemplate.Networks?.some(({ Target }) => Target === id),
    );
    const publishing = revisions.filter(({ spec }) =>
      spec.EndpointSpec?.Ports?.some(({ PublishMode }) => PublishMode === 'ingress'),
    );
    const current = [...targeting, ...(isIngress ? publishing : [])].filter(
      ({ serviceId, number }) =>
        (service as Service[]).some((one) => one.id === serviceId && one.revision === number),
    );
    return [...new Set(current.map(({ serviceId }) => serviceId))];
  };
  const documentReads = (kind: 'secret' | 'config', id: string) => {
    const naming = revisions.filter((one) => documents(one).includes(`${kind} ${id}`));
    const current = naming.filter(({ serviceId, number }) =>
      (service as Service[]).some((one) => one.id === serviceId && one.revision === number),
    );
    const holder = (model.lists[kind] as Secret[]).find(({ spec }) => spec.Name === id);
    return [holder?.id, holder?.id, [...new Set(current.map(({ serviceId }) => serviceId))]];
  };
  return {
    index,
    objects: tables,
    sizes: tables.map((table) => table.length),
    prefixes: tables.map((table) => ids(table.filter(({ id }) => id.startsWith('s1')).slice(0, 2))),
    byService: services.map((id) => ids(of(id))),
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
    network: ['w1', 'w2'].map((name) => {
      const found = (network as Network[]).find(({ spec }) => spec.Name === name);
      return [found, found];
    }),
    hosts: ['h1', 'h2', 'host-n1'].map((name) =>
      ids((node as Node[]).filter((one) => one.description?.Hostname === name)),
    ),
    usage: nodes.map((id) => model.usage(id)),
    ingress,
    inNetwork: networkIds.map((id) => {
      const held = allHeld(model.lists, id);
      const texts = [...new Set(held.map(({ text }) => bare(text)))].sort();
      const inside = attachments.filter(({ networkId }) => networkId === id);
      const given = inside.filter((one) => one.addresses.length > 0);
      return [
        servicesIn(id, id === ingress?.id),
        ids(tasks.filter((task) => heldBy('task', task).some((one) => one.network === id))),
        ids(inside),
        kinds.map((kind) => given.filter((one) => one.kind === kind).length),
        addresses.map((address) => {
          const holder = held.find(({ text }) => bare(text) === address);
          return holder && { table: holder.table, id: holder.id };
        }),
        texts,
        texts.length,
      ];
    }),
    attachments: nodes.map((id) => ids(attachments.filter(({ nodeId }) => nodeId === id))),
    secrets: ['x1', 'x2'].map((id) => documentReads('secret', id)),
    configs: ['f1', 'f2'].map((id) => documentReads('config', id)),
    ports: ['tcp/8080', 'tcp/8081'].map(
      (port) => (service as Service[]).find((one) => portsOf(one).includes(port))?.id,
    ),
    vnis: [4096, 4097].map(
      (vni) => allocated.find((one) => one.allocation?.subnets.some((it) => it.vni === vni))?.id,
    ),
  };
}
