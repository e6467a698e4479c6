import type { LogIndex } from '@shoal/runtime';
import {
  type CronStatus,
  type Revision,
  revisionId,
  type Schedule,
  type Service,
  type ServiceMode,
  type ServiceSpec,
  type Task,
} from '@shoal/state';
import { markForRemoval } from '../replicated/scale.ts';
import type { Subject } from '../subject.ts';

/**
 * Several tasks are called off before new ones are made, all at once: an update would replace them one after
 * the other, and stop at the first that ends. A single one is replaced, which keeps the runs before in its history.
 */
export function callOffFirst({ replicas }: Schedule, { spec }: Revision): boolean {
  return replicas > 1 || spec.Mode.Global !== undefined;
}

/** Calls off what is left of the runs before; once nothing is, the run starts. */
export function callOff(
  subject: Subject,
  schedule: Schedule,
  cron: CronStatus,
  tasks: readonly Task[],
): void {
  const left = tasks.filter(({ desired }) => desired !== 'remove');
  for (const task of left) markForRemoval(subject.plan, task);
  if (left.length === 0) startReplicas(subject, schedule, cron);
}

/**
 * Starts a run of a service that is no job: a forced update to the replicas of a run, as swarm-cronjob
 * makes it. What `rollback` goes to stays what a person said before; a run that fails goes nowhere.
 */
export function startReplicas(subject: Subject, { replicas }: Schedule, cron: CronStatus): void {
  const { service, revision, plan } = subject;
  const { starting: _, ...started } = cron;
  const number = newestNumber(subject) + 1;
  const object: Service = {
    ...service,
    revision: number,
    updateStatus: undefined,
    cron: { ...started, revision: number },
  };
  plan.updateService('run is due', object, forced(revision, number, replicas));
}

/** The revision once more, under a number of its own. */
function forced(revision: Revision, number: number, replicas: number): Revision {
  const { serviceId, spec, registryAuth, registryAuthFrom } = revision;
  const { TaskTemplate } = spec;
  const Mode: ServiceMode =
    spec.Mode.Replicated === undefined ? spec.Mode : { Replicated: { Replicas: replicas } };
  const next: ServiceSpec = {
    ...spec,
    Mode,
    TaskTemplate: { ...TaskTemplate, ForceUpdate: TaskTemplate.ForceUpdate + 1 },
  };
  const meta = { ...revision.meta, version: 0 as LogIndex };
  const id = revisionId(serviceId, number);
  const object = { id, meta, serviceId, number, spec: next, byRun: true };
  if (registryAuth === undefined) return object;
  return { ...object, registryAuth, registryAuthFrom: registryAuthFrom ?? revision.id };
}

function newestNumber({ view, service }: Subject): number {
  let newest = 0;
  for (const { number } of view.revisions.byService(service.id)) newest = Math.max(newest, number);
  return newest;
}
