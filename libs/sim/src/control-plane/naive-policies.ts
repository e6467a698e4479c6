import type { Labels, Node, Revision, Service, ServiceSpec, StateView, Task } from '@shoal/state';

/** What labels leave no choice in, once more in the plainest way. */
export function policiesAllow(
  view: StateView,
  node: Node,
  revision: Revision,
  task: Task | undefined,
): boolean {
  const labels = labelsOf(view, revision.serviceId);
  for (const name of hardNames(labels['shoal.affinity'])) {
    const id = view.services.byName(name)?.id;
    if (id !== revision.serviceId && (id === undefined || !hasTaskOf(view, node, id))) return false;
  }
  for (const service of view.services.values()) {
    const isNamed = hardNames(labels['shoal.anti-affinity']).some(
      (name) =>
        (name === 'self' ? revision.serviceId : view.services.byName(name)?.id) === service.id,
    );
    const own = view.services.get(revision.serviceId)?.name.toLowerCase();
    const isAgainst = hardNames(labelsOf(view, service.id)['shoal.anti-affinity']).some(
      (name) => name === own,
    );
    if ((isNamed || isAgainst) && hasTaskOf(view, node, service.id)) return false;
  }
  const home = task === undefined ? undefined : view.volumeHomes.of(task.serviceId, task.slot);
  return home === undefined || !isSticky(revision, labels) || home.nodeId === node.id;
}

/** Whether all that the service depends on is as it asks; only tasks that have yet to start ask. */
export function dependenciesRun(view: StateView, { serviceId }: Revision): boolean {
  const text = labelsOf(view, serviceId)['shoal.depends-on'];
  return (text?.split(',') ?? []).every((term) => {
    const [name = '', condition = 'started'] = term.split(':');
    const service = view.services.byName(name);
    if (service === undefined) return false;
    const spec = view.revisions.of(service.id, service.revision)?.spec;
    const live = [...view.tasks.byService(service.id)].filter(
      ({ desired }) => desired === 'running' || desired === 'ready',
    );
    const running = live.filter(({ status }) => status.state === 'running').length;
    if (condition === 'started') return running > 0;
    return running >= Math.max(1, (spec && slotsOf(service, spec)) ?? live.length);
  });
}

/** How many slots a service is to have: as many as somebody asked for, or its load. */
export function slotsOf({ scaling }: Service, { Mode, Labels }: ServiceSpec): number | undefined {
  const asked = Mode.Replicated?.Replicas;
  const max = Labels['shoal.autoscale.max'];
  if (asked === undefined || asked === 0 || max === undefined) return asked;
  const least = Math.max(scaling?.replicas ?? asked, Number(Labels['shoal.autoscale.min']));
  return Math.min(least, Number(max));
}

function labelsOf(view: StateView, serviceId: string): Labels {
  const service = view.services.get(serviceId);
  const current = service && view.revisions.of(serviceId, service.revision);
  return current?.spec.Labels ?? {};
}

function hardNames(text: string | undefined): readonly string[] {
  const terms = text?.split(',') ?? [];
  return terms.filter((term) => term.endsWith(':hard')).map((term) => term.slice(0, -5));
}

function hasTaskOf(view: StateView, node: Node, serviceId: string): boolean {
  for (const { nodeId, status } of view.tasks.byService(serviceId))
    if (nodeId === node.id && atWork.has(status.state)) return true;
  return false;
}

const atWork: ReadonlySet<string> = new Set([
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
]);

function isSticky({ spec }: Revision, labels: Labels): boolean {
  const hasData = (spec.TaskTemplate.ContainerSpec.Mounts ?? []).length > 0;
  return hasData && spec.Mode.Replicated !== undefined && labels['shoal.volume-sticky'] !== 'false';
}
