import { isDeepStrictEqual } from 'node:util';
import type { Instant } from '@shoal/runtime';
import {
  type AppliedChange,
  type Node,
  type Revision,
  type Service,
  scaledReplicas,
} from '@shoal/state';
import { type Filters, hasLabels, passes } from './filters.ts';
import { nanoTime } from './time.ts';

/** One line of `GET /events`. */
export interface SwarmEvent {
  readonly Type: 'service' | 'node' | 'network' | 'secret' | 'config';
  readonly Action: 'create' | 'update' | 'remove';
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: 'swarm';
  readonly time: number;
  readonly timeNano: number;
}

type RevisionOf = (serviceId: string, number: number) => Revision | undefined;

/** What the change is to somebody who watches events; undefined for tables without events. */
export function swarmEvent(
  change: AppliedChange,
  at: Instant,
  revisionOf: RevisionOf,
): SwarmEvent | undefined {
  const subject = subjectOf(change, revisionOf);
  if (subject === undefined) return undefined;
  const { seconds, nanos } = nanoTime(at);
  return {
    Type: subject.type,
    Action:
      change.before === undefined ? 'create' : change.after === undefined ? 'remove' : 'update',
    Actor: { ID: change.id, Attributes: subject.attributes },
    scope: 'swarm',
    time: seconds,
    timeNano: seconds * 1e9 + nanos,
  };
}

function subjectOf(
  change: AppliedChange,
  revisionOf: RevisionOf,
): { readonly type: SwarmEvent['Type']; readonly attributes: Record<string, string> } | undefined {
  switch (change.table) {
    case 'service': {
      if (isAllocatorsNote(change.before, change.after)) return undefined;
      const name = (change.after ?? change.before)?.name ?? '';
      const moves = serviceMoves(change.before, change.after, revisionOf);
      const isMoved = Object.keys(moves).length > 0;
      if (!isMoved && isScalersNote(change.before, change.after)) return undefined;
      return {
        type: 'service',
        attributes: { name, ...moves },
      };
    }
    case 'node': {
      if (isListOfImages(change.before, change.after)) return undefined;
      const node = change.after ?? change.before;
      const name = node?.spec.Name ?? node?.description?.Hostname ?? '';
      return { type: 'node', attributes: { name, ...nodeMoves(change.before, change.after) } };
    }
    case 'network': {
      const network = change.after ?? change.before;
      if (network === undefined || network.spec.Predefined) return undefined;
      return { type: 'network', attributes: { name: network.spec.Name } };
    }
    case 'secret':
    case 'config': {
      const name = (change.after ?? change.before)?.spec.Name ?? '';
      return { type: change.table, attributes: { name } };
    }
    default:
      return undefined;
  }
}

/**
 * Whether all that was written is that the addresses of the service are those of its current spec: no news to
 * anybody who watches.
 */
function isAllocatorsNote(before: Service | undefined, after: Service | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  if (before.endpoint.revision === after.endpoint.revision) return false;
  const endpoint = { ...before.endpoint, revision: after.endpoint.revision };
  return JSON.stringify({ ...before, meta: after.meta, endpoint }) === JSON.stringify(after);
}

/** Whether all that was written is how the load stands. */
function isScalersNote(before: Service | undefined, after: Service | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const { scaling, meta } = after;
  if (isDeepStrictEqual(before.scaling, scaling)) return false;
  return isDeepStrictEqual({ ...before, meta, scaling }, { ...after, scaling });
}

/** Whether all that was written is which images the node has: Docker keeps no such list, and tells of none. */
function isListOfImages(before: Node | undefined, after: Node | undefined): boolean {
  if (before?.description?.Images === after?.description?.Images) return false;
  return isDeepStrictEqual(withoutImages(before), withoutImages(after));
}

function withoutImages(node: Node | undefined): object | undefined {
  if (node === undefined) return undefined;
  return { ...node, meta: undefined, description: { ...node.description, Images: undefined } };
}

function serviceMoves(
  before: Service | undefined,
  after: Service | undefined,
  revisionOf: RevisionOf,
): Record<string, string> {
  if (before === undefined || after === undefined) return {};
  const old = revisionOf(before.id, before.revision)?.spec;
  const now = revisionOf(after.id, after.revision)?.spec;
  return {
    ...moved('image', old?.TaskTemplate.ContainerSpec.Image, now?.TaskTemplate.ContainerSpec.Image),
    ...moved('replicas', replicas(before, old), replicas(after, now)),
    ...moved('updatestate', before.updateStatus?.state, after.updateStatus?.state),
  };
}

function replicas(service: Service, spec: Revision['spec'] | undefined): string | undefined {
  const count = spec && scaledReplicas(service, spec);
  return count === undefined ? undefined : String(count);
}

function nodeMoves(before: Node | undefined, after: Node | undefined): Record<string, string> {
  if (before === undefined || after === undefined) return {};
  return {
    ...moved('availability', before.spec.Availability, after.spec.Availability),
    ...moved('role', before.spec.Role, after.spec.Role),
    ...moved('state', before.status.state, after.status.state),
  };
}

/** Nothing is said of a value that ended: an update state that was cleared is no event of its own. */
function moved(
  name: string,
  before: string | undefined,
  after: string | undefined,
): Record<string, string> {
  if (after === undefined || before === after) return {};
  return before === undefined
    ? { [`${name}.new`]: after }
    : { [`${name}.new`]: after, [`${name}.old`]: before };
}

const filteredKinds = [
  ...['container', 'volume', 'plugin', 'daemon'],
  ...['service', 'node', 'network', 'secret', 'config'],
];

/**
 * Docker's event filters, as far as they concern swarm events; unknown keys are ignored. An object is named
 * by its id, its name or the start of either, whatever its kind.
 */
export function eventPasses(filters: Filters, event: SwarmEvent): boolean {
  const { ID, Attributes } = event.Actor;
  const { name = '' } = Attributes;
  const isActor = (value: string): boolean => ID.startsWith(value) || name.startsWith(value);
  return (
    passes(filters, 'type', (type) => event.Type === type) &&
    passes(filters, 'event', (action) => event.Action === action) &&
    passes(filters, 'scope', (scope) => scope === 'swarm') &&
    filteredKinds.every((kind) => passes(filters, kind, isActor)) &&
    passes(filters, 'image', (value) => value === ID) &&
    hasLabels(filters, 'label', Attributes)
  );
}
