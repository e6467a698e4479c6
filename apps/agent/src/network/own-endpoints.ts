import { isDeepStrictEqual } from 'node:util';
import { balancerEndpointId, type NodeNetwork } from '@shoal/overlay';
import {
  addressOf,
  type EndpointRecord,
  expandTemplate,
  type NodeDescription,
  type TaskAssignment,
} from '@shoal/state';
import { templateSubject } from '../executor/template.ts';
import { shortId } from '../overlay/engine-networks.ts';
import type { OwnHost } from './ports.ts';

interface Own {
  /** As the dispatcher made them, one for each network. */
  records: readonly EndpointRecord[];
  readonly aliases: readonly string[];
  serving: boolean;
}

/** The tasks of this host that are in networks, and whether they are to be found there. */
export class OwnEndpoints {
  readonly #tasks = new Map<string, Own>();
  /** Tasks that see the balancer instead of clients of published ports, also such as are not here yet. */
  #unsteered: ReadonlySet<string> = new Set();

  /** The task's records as they are now. */
  records(taskId: string): readonly EndpointRecord[] {
    const own = this.#tasks.get(taskId);
    if (own === undefined) return [];
    const { serving, aliases } = own;
    const records = own.records.map((each) => ({ ...each, serving, containerAliases: aliases }));
    return this.#unsteered.has(taskId) ? records.map(masqueraded) : records;
  }

  /** These tasks and no others see the balancer. Returns those of which that was not so before, or is no more. */
  setUnsteered(taskIds: ReadonlySet<string>): readonly string[] {
    const before = this.#unsteered;
    this.#unsteered = taskIds;
    const changed = (taskId: string): boolean => before.has(taskId) !== taskIds.has(taskId);
    return [...this.#tasks.keys()].filter(changed);
  }

  isServing(taskId: string): boolean {
    return this.#tasks.get(taskId)?.serving === true;
  }

  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** Its container is or will soon be there. `serving` counts only for a task that was not known. */
  join(
    assignment: TaskAssignment,
    containerId: string,
    node: NodeDescription,
    serving: boolean,
  ): void {
    const { taskId, networks = [] } = assignment;
    if (networks.length === 0) return;
    this.#tasks.set(taskId, {
      records: networks.map(({ record }) => record),
      aliases: aliasesOf(assignment, containerId, node),
      serving: this.#tasks.get(taskId)?.serving ?? serving,
    });
  }

  /** A task of before the restart of which nothing was told since, as its hosts know it. */
  resume(taskId: string, records: readonly EndpointRecord[]): void {
    const [first] = records;
    if (first === undefined || this.#tasks.has(taskId)) return;
    const { containerAliases: aliases, serving } = first;
    this.#tasks.set(taskId, { records, aliases, serving });
  }

  /** The records of a known task may be others now. True if they are. */
  assigned({ taskId, networks = [] }: TaskAssignment): boolean {
    const own = this.#tasks.get(taskId);
    const records = networks.map(({ record }) => record);
    // Who is being stopped is no longer told of its networks.
    if (own === undefined || records.length === 0) return false;
    if (isDeepStrictEqual(own.records, records)) return false;
    own.records = records;
    return true;
  }

  /** False when that was so, or the task is not here. */
  setServing(taskId: string, serving: boolean): boolean {
    const own = this.#tasks.get(taskId);
    if (own === undefined || own.serving === serving) return false;
    own.serving = serving;
    return true;
  }

  delete(taskId: string): void {
    this.#tasks.delete(taskId);
  }
}

/** The host's balancer in a network; undefined while it has no address there. */
export function balancerRecord(
  { id, balancerAddresses }: NodeNetwork,
  { nodeId, vtep }: OwnHost,
): EndpointRecord | undefined {
  if (balancerAddresses.length === 0) return undefined;
  return {
    networkId: id,
    endpointId: balancerEndpointId(nodeId),
    kind: 'balancer',
    nodeId,
    vtep,
    addresses: balancerAddresses.map(addressOf),
    name: '',
    containerAliases: [],
    slot: 0,
    serving: false,
  };
}

/** Every host is to hide clients from the task: its replies to them would find no way back. */
function masqueraded(record: EndpointRecord): EndpointRecord {
  const { service } = record;
  if (service === undefined || service.ports.length === 0) return record;
  return { ...record, service: { sourceAddress: 'masquerade', ...service } };
}

/** Its short id, and the host name that it was made with. */
function aliasesOf(
  assignment: TaskAssignment,
  containerId: string,
  node: NodeDescription,
): readonly string[] {
  const { Hostname = '' } = assignment.template.ContainerSpec;
  const hostname = expandTemplate(Hostname, templateSubject(assignment, node));
  const isNamed = hostname.kind === 'text' && hostname.text !== '';
  return isNamed ? [shortId(containerId), hostname.text] : [shortId(containerId)];
}
