import { assertNever } from '@shoal/runtime';
import type { Refusal } from './transaction.ts';

/** One clear sentence for people. */
export function describeRefusal(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'stale-lease':
      return `lease ${refusal.lease} is not held any more as granted at ${refusal.epoch}`;
    case 'version-conflict':
      return `${refusal.table} ${refusal.id} was changed meanwhile: version ${refusal.read} was read, ${refusal.current} is current`;
    case 'not-found':
      return `${refusal.table} ${refusal.id} does not exist`;
    case 'already-exists':
      return `${refusal.table} ${refusal.id} exists already`;
    case 'name-conflict':
      return `the ${refusal.table} name ${refusal.name} is taken by ${refusal.holder}`;
    case 'missing-reference':
      return `${refusal.table} ${refusal.id} refers to ${refusal.referenced} ${refusal.referencedId}, which does not exist`;
    case 'in-use':
      return `${refusal.table} ${refusal.id} is in use by ${refusal.by} ${refusal.byId}`;
    case 'state-moved-back':
      return `the ${refusal.field} state of task ${refusal.task} cannot go back from ${refusal.from} to ${refusal.to}`;
    case 'over-capacity':
      return `task ${refusal.task} asks for ${amount(refusal.resource, refusal.asked)}, node ${refusal.node} has ${amount(refusal.resource, refusal.free)} free`;
    case 'host-port-taken':
      return `task ${refusal.task} needs host port ${refusal.protocol}/${refusal.port}, which is taken on node ${refusal.node}`;
    case 'too-many-replicas':
      return `node ${refusal.node} has its maximum of ${refusal.max} replicas of the service of task ${refusal.task}`;
    case 'address-taken':
      return `address ${refusal.address} of network ${refusal.network} is taken by ${refusal.holder.table} ${refusal.holder.id}`;
    case 'address-outside':
      return `address ${refusal.address} of ${refusal.table} ${refusal.id} is not one of a subnet of network ${refusal.network}`;
    case 'subnet-overlap':
      return `subnet ${refusal.subnet} of network ${refusal.network} overlaps with ${refusal.other} of network ${refusal.holder}`;
    case 'vni-taken':
      return `VXLAN identifier ${refusal.vni} of network ${refusal.network} is taken by network ${refusal.holder}`;
    case 'port-taken':
      return `port ${refusal.port} of service ${refusal.service} is published by service ${refusal.holder} already`;
    case 'last-manager':
      return `node ${refusal.node} is the last manager of the swarm and cannot be demoted`;
    case 'is-manager':
      return `node ${refusal.node} is a manager and must be demoted before it can be removed`;
    case 'immutable':
      return `${refusal.field} of ${refusal.table} ${refusal.id} cannot change`;
    default:
      return assertNever(refusal);
  }
}

function amount(resource: string, value: number): string {
  if (resource === 'cpu') return `${value / 1e9} CPUs`;
  if (resource === 'memory') return `${value} bytes of memory`;
  return `${value} ${resource}`;
}
