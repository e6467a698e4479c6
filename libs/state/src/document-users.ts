import { canaryLabel } from './labels/canary.ts';
import { lastingTasks } from './lasting-tasks.ts';
import type { Revision, Service } from './objects.ts';
import type { StateView } from './view.ts';

/**
 * Services that would miss the secret or config: by what they ask for, as by Swarm, and by what those of their tasks
 * stay at that wait for a canary. What replaces these would need it.
 */
export function documentUsers(
  view: StateView,
  kind: 'secret' | 'config',
  id: string,
): readonly Service[] {
  const users = new Set(view.services.byDocument(kind, id));
  for (const service of view.services.values())
    if (!users.has(service) && isHeldBy(view, service, kind, id)) users.add(service);
  return [...users];
}

function isHeldBy(
  view: StateView,
  service: Service,
  kind: 'secret' | 'config',
  id: string,
): boolean {
  const { revisions } = view;
  const current = revisions.of(service.id, service.revision);
  if (current?.spec.Labels[canaryLabel] === undefined) return false;
  const asking = new Set<number>();
  for (const revision of revisions.byService(service.id))
    if (asksFor(revision, kind, id)) asking.add(revision.number);
  if (asking.size === 0) return false;
  for (const { revision } of lastingTasks(view, service)) if (asking.has(revision)) return true;
  return false;
}

function asksFor({ spec }: Revision, kind: 'secret' | 'config', id: string): boolean {
  const { Secrets = [], Configs = [] } = spec.TaskTemplate.ContainerSpec;
  return kind === 'secret'
    ? Secrets.some(({ SecretID }) => SecretID === id)
    : Configs.some(({ ConfigID }) => ConfigID === id);
}
