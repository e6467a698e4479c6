import {
  type Attachment,
  type Network,
  type Refusal,
  type Service,
  type StateObject,
  type TableName,
  type Task,
  taskStateRank,
} from '../index.ts';
import type { Lists } from './naive-model.ts';

/** The rules of addresses once more: every address of every object listed anew for each question. */

export interface Held {
  readonly table: TableName;
  readonly id: string;
  readonly network: string;
  /** As written, with prefix length or without. */
  readonly text: string;
}

export function bare(text: string): string {
  return text.split('/')[0] ?? '';
}

export function heldBy(table: TableName, object: StateObject): readonly Held[] {
  const { id } = object;
  const held = (network: string, text: string): Held => ({ table, id, network, text });
  if (table === 'network') {
    const { allocation, spec } = object as Network;
    if (!allocation) return [];
    const aux = (spec.IPAM?.Configs ?? []).flatMap((one) =>
      Object.values(one.AuxAddresses ?? {}).filter((it) => it !== 'none'),
    );
    return [...allocation.subnets.map(({ gateway }) => gateway), ...aux].map((it) => held(id, it));
  }
  if (table === 'service')
    return (object as Service).endpoint.virtualIps.map((it) => held(it.networkId, it.addr));
  if (table === 'attachment') {
    const { networkId, addresses } = object as Attachment;
    return addresses.map((text) => held(networkId, text));
  }
  if (table !== 'task') return [];
  const { status, networks = [] } = object as Task;
  if (taskStateRank[status.state] > taskStateRank.running) return [];
  return networks.flatMap((one) => one.addresses.map((text) => held(one.networkId, text)));
}

export function allHeld(lists: Lists, network: string): readonly Held[] {
  return (['network', 'service', 'task', 'attachment'] as const)
    .flatMap((table) => lists[table].flatMap((object) => heldBy(table, object)))
    .filter((held) => held.network === network);
}

/** `10.0.0.0/29` as first and last number. */
function block(subnet: string): readonly [number, number] {
  const [address = '', bits] = subnet.split('/');
  const first = number(address);
  return [first, first + 2 ** (32 - Number(bits)) - 1];
}

function number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function inside(network: Network, text: string): boolean {
  const [address = '', bits] = text.split('/');
  return (network.allocation?.subnets ?? []).some(({ subnet }) => {
    const [first, last] = block(subnet);
    const value = number(address);
    return subnet.endsWith(`/${bits}`) && first < value && value < last;
  });
}

export function portsOf({ endpoint }: Service): readonly string[] {
  return endpoint.ports
    .filter(({ PublishMode }) => PublishMode === 'ingress')
    .map(({ Protocol, PublishedPort }) => `${Protocol}/${PublishedPort}`);
}

export function addressVerdict(
  lists: Lists,
  table: TableName,
  after: StateObject,
  before?: StateObject,
): Refusal['kind'] | undefined {
  const others = lists[table].filter(({ id }) => id !== after.id);
  if (table === 'network')
    return networkVerdict(lists, others as Network[], after as Network, before as Network);
  if (table === 'attachment' && before && moved(before as Attachment, after as Attachment))
    return 'immutable';
  if (table === 'service') {
    const ports = portsOf(after as Service);
    if ((others as Service[]).some((one) => portsOf(one).some((port) => ports.includes(port))))
      return 'port-taken';
  }
  const had = before ? heldBy(table, before) : [];
  const has = heldBy(table, after);
  for (const [at, { network, text }] of has.entries()) {
    const again = has.slice(0, at).some((one) => one.network === network && one.text === text);
    const kept = had.some((one) => one.network === network && one.text === text);
    if (kept && !again) continue;
    const of = (lists.network as Network[]).find(({ id }) => id === network);
    if (!of) return 'missing-reference';
    if (!inside(of, text)) return 'address-outside';
    const others = allHeld(lists, network).filter(
      (one) => bare(one.text) === bare(text) && (one.id !== after.id || one.table !== table),
    );
    if (again || others.length > 0) return 'address-taken';
  }
  return undefined;
}

function moved(before: Attachment, after: Attachment): boolean {
  return (
    before.networkId !== after.networkId ||
    before.nodeId !== after.nodeId ||
    before.kind !== after.kind ||
    (before.addresses.length > 0 && before.addresses.join() !== after.addresses.join())
  );
}

function networkVerdict(
  lists: Lists,
  others: readonly Network[],
  after: Network,
  before: Network | undefined,
): Refusal['kind'] | undefined {
  if (after.spec.Ingress && others.some(({ spec }) => spec.Ingress)) return 'already-exists';
  if (before?.allocation)
    return JSON.stringify(before.allocation) === JSON.stringify(after.allocation)
      ? reservedVerdict(lists, after)
      : 'immutable';
  if (!after.allocation) return undefined;
  const { subnets } = after.allocation;
  const theirs = others.flatMap((one) => one.allocation?.subnets ?? []);
  if (subnets.some(({ vni }) => theirs.some((one) => one.vni === vni))) return 'vni-taken';
  const clash = (a: string, b: string): boolean =>
    block(a)[0] <= block(b)[1] && block(b)[0] <= block(a)[1];
  for (const [at, { subnet, gateway }] of subnets.entries()) {
    if (!inside(after, `${gateway}/${subnet.split('/')[1]}`)) return 'address-outside';
    if (subnets.slice(0, at).some((one) => clash(one.subnet, subnet))) return 'subnet-overlap';
  }
  if (subnets.some((own) => theirs.some((one) => clash(own.subnet, one.subnet))))
    return 'subnet-overlap';
  return reservedVerdict(lists, after);
}

function reservedVerdict(lists: Lists, network: Network): 'address-taken' | undefined {
  const left = allHeld(lists, network.id).filter(({ table }) => table !== 'network');
  const own = heldBy('network', network).map(({ text }) => bare(text));
  return left.some(({ text }) => own.includes(bare(text))) ? 'address-taken' : undefined;
}

/** True when a task or a container has an address in the network. */
export function addressUsers(lists: Lists, network: string): boolean {
  return (
    allHeld(lists, network).some(({ table }) => table === 'task') ||
    (lists.attachment as Attachment[]).some(
      ({ networkId, kind }) => networkId === network && kind === 'container',
    )
  );
}
