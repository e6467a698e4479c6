import type { Network, Node, Place, Service, Status, StoredValue, Task } from '../api/shapes.ts';
import { countText } from './words.ts';

/** Whether something is as it should be, and in one sentence how it is. */
export interface Standing {
  readonly tone: 'good' | 'warning' | 'bad';
  readonly text: string;
}

/** States behind which nothing comes. */
const over = new Set(['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned']);

export const isOver = ({ Status }: Task): boolean => over.has(Status.State);

/** Who may go without the others standing still. */
export function managersStanding({ managers }: Status): Standing {
  const { total, reachable, needed, quorum } = managers;
  const away = total - reachable;
  if (!quorum)
    return {
      tone: 'bad',
      text: `${reachable} of ${countText(total, 'manager')} can be reached, ${needed} are needed: nothing can be changed`,
    };
  const spare = reachable - needed;
  const may = spare > 0 ? `${spare} more may be lost` : 'none may be lost';
  if (away > 0)
    return {
      tone: 'warning',
      text: `${reachable} of ${countText(total, 'manager')} can be reached: ${may}`,
    };
  if (total === 1) return { tone: 'good', text: 'One manager: it may not be lost' };
  const text = spare > 0 ? `${spare} of them may be lost` : 'none of them may be lost';
  return { tone: 'good', text: `${total} managers, all can be reached: ${text}` };
}

export function servicesStanding({ services }: Status): Standing {
  const { total, converged } = services;
  if (total === 0) return { tone: 'good', text: 'No services yet' };
  const others = total - converged;
  const of = others === 0 ? `All ${total}` : `${others} of ${total}`;
  const being = others === 0 ? 'are' : others === 1 ? 'is not' : 'are not';
  const they = others === 1 ? 'it' : 'they';
  return {
    tone: others === 0 ? 'good' : 'warning',
    text: `${of} services ${being} as ${they} should be`,
  };
}

export function nodesStanding(nodes: readonly Node[]): Standing {
  const silent = nodes.filter(({ Status }) => Status.State !== 'ready');
  if (silent.length === 0)
    return { tone: 'good', text: `${countText(nodes.length, 'node')}, all ready` };
  const names = silent.map(hostnameOf).join(', ');
  return { tone: 'bad', text: `${names} ${silent.length === 1 ? 'is' : 'are'} away` };
}

/** Stages of the control plane without a replica: what they do waits. */
export function stagesStanding({ stages }: Status): Standing | undefined {
  const dead = stages.filter(({ alive }) => !alive).map(({ stage }) => stage);
  if (dead.length === 0) return undefined;
  return { tone: 'bad', text: `no ${dead.join(' and no ')} runs: what it does waits` };
}

export function hostnameOf({ ID, Description }: Node): string {
  return Description.Hostname === '' ? ID : Description.Hostname;
}

/** Replicas wanted and there, how it is run, as `docker service ls` has it. */
export function modeOf({ Spec }: Service): string {
  if ('ReplicatedJob' in Spec.Mode) return 'replicated job';
  if ('GlobalJob' in Spec.Mode) return 'global job';
  return 'Global' in Spec.Mode ? 'global' : 'replicated';
}

export function stackOf({
  Spec,
}: {
  readonly Spec: { readonly Labels: Readonly<Record<string, string>> };
}): string {
  return Spec.Labels['com.docker.stack.namespace'] ?? '';
}

/** `*:8080→80/tcp`, as `docker service ls` has it. */
export function portsText({ Endpoint }: Service): string {
  return Endpoint.Ports.filter(({ PublishedPort }) => PublishedPort > 0)
    .map(({ PublishedPort, TargetPort, Protocol, PublishMode }) => {
      const where = PublishMode === 'host' ? 'its node' : '*';
      return `${where}:${PublishedPort}\u2192${TargetPort}/${Protocol}`;
    })
    .join(', ');
}

/** As `docker service ps` names it. */
export function taskName(
  task: Task,
  services: ReadonlyMap<string, Service>,
  nodes: ReadonlyMap<string, Node>,
): string {
  const { ServiceID: service, Slot: slot, NodeID: node } = task;
  return placeName({ service, slot, node }, services, nodes);
}

/** As `docker service ps` names the task there. */
export function placeName(
  { service, slot, node }: Pick<Place, 'service' | 'slot' | 'node'>,
  services: ReadonlyMap<string, Service>,
  nodes: ReadonlyMap<string, Node>,
): string {
  const name = services.get(service)?.Spec.Name ?? service;
  const host = nodes.get(node);
  const at = slot > 0 ? String(slot) : host === undefined ? '' : hostnameOf(host);
  return at === '' ? name : `${name}.${at}`;
}

export function byId<T extends { readonly ID: string }>(
  items: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.ID, item]));
}

/** The tasks of a service as people look for them: those that should be there first, then the newest. */
export function inOrder(tasks: readonly Task[]): readonly Task[] {
  return [...tasks].sort(
    (a, b) =>
      Number(isOver(a)) - Number(isOver(b)) ||
      (isOver(a) ? 0 : a.Slot - b.Slot) ||
      (a.Status.Timestamp < b.Status.Timestamp ? 1 : -1),
  );
}

/** Why a task is not as it should be, or what it is doing. */
export function taskText({ Status }: Task): string {
  const { Err, Message, State, ContainerStatus } = Status;
  if (Err === '') return Message === State ? '' : Message;
  const code = ContainerStatus?.ExitCode ?? 0;
  return code === 0 || Err.includes(`(${code})`) ? Err : `${Err} (exit code ${code})`;
}

/** Names of services that are in the network. */
export function servicesIn(network: Network, services: readonly Service[]): readonly Service[] {
  return services.filter(({ Spec }) =>
    Spec.TaskTemplate.Networks.some(
      ({ Target }) => Target === network.Id || Target === network.Name,
    ),
  );
}

/** Services whose tasks get the secret or the config. */
export function usersOf(
  stored: StoredValue,
  kind: 'secret' | 'config',
  services: readonly Service[],
): readonly Service[] {
  return services.filter(({ Spec }) => {
    const container = Spec.TaskTemplate.ContainerSpec;
    return kind === 'secret'
      ? container?.Secrets.some((one) => one['SecretID'] === stored.ID)
      : container?.Configs.some((one) => one['ConfigID'] === stored.ID);
  });
}

/** Whether what somebody types into a filter means this. */
export function matches(filter: string, ...texts: readonly string[]): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
}
