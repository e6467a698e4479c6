import type { Quorum } from '@shoal/docker-api';
import type { Node, StateView, TaskState } from '@shoal/state';
import type { z } from 'zod';
import type { status } from '../openapi/answers/status.ts';
import { nodeName } from '../plan/outcome.ts';
import { capacityOfNodes } from './capacity.ts';
import { convergenceOf } from './convergence.ts';
import { scalingOf } from './scaling.ts';

/** Services and networks that are named; the counts are always whole. */
const unconvergedMax = 100;
const networksMax = 1_000;
const scaledMax = 1_000;

const stages = ['orchestrator', 'allocator', 'scheduler', 'dispatcher'] as const;

export type ClusterStatus = z.output<typeof status>;

/** How the whole cluster stands, in one look at the state. */
export function statusOf(view: StateView, quorum: Quorum): ClusterStatus {
  return {
    logIndex: view.index,
    managers: managersOf(view, quorum),
    stages: stages.map((stage) => {
      const replicas = Array.from(view.leases.byStage(stage), ({ id, nodeId }) => {
        return { lease: id, node: nodeName(view, nodeId) };
      });
      return { stage, alive: replicas.length > 0, replicas };
    }),
    nodes: nodesOf(view),
    capacity: capacityOfNodes(view).total,
    tasks: tasksOf(view),
    services: servicesOf(view),
    networks: networksOf(view),
  };
}

function managersOf(view: StateView, quorum: Quorum): ClusterStatus['managers'] {
  const list = [...view.nodes.values()].flatMap(({ id, manager }) =>
    manager === undefined
      ? []
      : [
          {
            node: nodeName(view, id),
            addr: manager.addr,
            leader: quorum.leader === id,
            reachability: quorum.reachability.get(id) ?? ('unknown' as const),
          },
        ],
  );
  const reachable = list.filter((one) => one.reachability === 'reachable').length;
  const needed = Math.floor(list.length / 2) + 1;
  const hasQuorum = quorum.leader !== undefined && reachable >= needed;
  return { total: list.length, reachable, needed, quorum: hasQuorum, list };
}

function nodesOf({ nodes }: StateView): ClusterStatus['nodes'] {
  const byState: Record<Node['status']['state'], number> = {
    ready: 0,
    down: 0,
    disconnected: 0,
    unknown: 0,
  };
  const byAvailability = { active: 0, pause: 0, drain: 0 };
  for (const { status, spec } of nodes.values()) {
    byState[status.state] += 1;
    byAvailability[spec.Availability] += 1;
  }
  return { total: nodes.size, byState, byAvailability };
}

function tasksOf({ tasks }: StateView): ClusterStatus['tasks'] {
  const byState: Partial<Record<TaskState, number>> = {};
  for (const { status } of tasks.values()) byState[status.state] = (byState[status.state] ?? 0) + 1;
  return { total: tasks.size, byState: byState as Record<string, number> };
}

function servicesOf(view: StateView): ClusterStatus['services'] {
  const unconverged: ClusterStatus['services']['unconverged'][number][] = [];
  const scaled: ClusterStatus['services']['scaled'][number][] = [];
  let converged = 0;
  for (const service of view.services.values()) {
    const standing = convergenceOf(view, service);
    if (standing.reason === '') converged += 1;
    else if (unconverged.length < unconvergedMax)
      unconverged.push({ id: service.id, name: service.name, ...standing });
    const scaling = scaled.length < scaledMax ? scalingOf(view, service) : undefined;
    if (scaling !== undefined) scaled.push({ id: service.id, name: service.name, ...scaling });
  }
  return { total: view.services.size, converged, unconverged, scaled };
}

function networksOf(view: StateView): ClusterStatus['networks'] {
  const list: ClusterStatus['networks']['list'][number][] = [];
  let total = 0;
  let allocated = 0;
  for (const { id, spec, allocation, problem = '' } of view.networks.values()) {
    if (spec.Predefined) continue;
    total += 1;
    if (allocation !== undefined) allocated += 1;
    if (list.length >= networksMax) continue;
    const use = view.addresses(id);
    list.push({
      id,
      name: spec.Name,
      subnets: (allocation?.subnets ?? []).map(({ subnet }) => subnet),
      addresses: { ipv4: use.count(4), ipv6: use.count(6) },
      problem,
    });
  }
  return { total, allocated, list };
}
