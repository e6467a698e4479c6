import type { AuditRecord } from '../api/shapes.ts';

type Change = AuditRecord['Changes'][number];
type Field = Change['Fields'][number];

const done = { create: 'created', update: 'changed', delete: 'removed' } as const;

/** `docker service update, local socket on node1`. */
export function actorText({ Actor }: AuditRecord): string {
  const { Kind, Name, Client, Node } = Actor;
  if (Kind !== 'user') return Node === undefined ? Name : `${Kind} of ${Node.Hostname}`;
  const where = Node === undefined || Node.Hostname === '' ? '' : ` on ${Node.Hostname}`;
  return Client === undefined ? `${Name}${where}` : `${Name}, ${Client}${where}`;
}

/** `service web changed: Mode.Replicated.Replicas 1 → 3`. */
export function changeText({ Op, Kind, ID, Name, Fields }: Change): string {
  const what = `${Kind} ${Name === '' ? ID : Name} ${done[Op]}`;
  return Fields.length === 0 ? what : `${what}: ${Fields.map(fieldText).join(', ')}`;
}

/** Values are told only where they cannot be secret. */
function fieldText({ Path, From, To }: Field): string {
  if (From === undefined && To === undefined) return Path;
  return `${Path} ${From ?? 'nothing'} \u2192 ${To ?? 'nothing'}`;
}
