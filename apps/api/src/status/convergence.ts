import { currentRevision, modeName } from '@shoal/docker-api';
import {
  isJob,
  isTerminal,
  jobCounts,
  jobRun,
  type Service,
  type StateView,
  type Task,
} from '@shoal/state';

/** How far a service is from what it asks for. */
export interface Convergence {
  readonly mode: 'replicated' | 'global' | 'replicated-job' | 'global-job';
  readonly running: number;
  readonly desired: number;
  /** One sentence for people; empty when the service is what it asks for. */
  readonly reason: string;
}

export function convergenceOf(view: StateView, service: Service): Convergence {
  const { spec } = currentRevision(view, service);
  const mode = modeName(spec);
  if (isJob(spec)) return { mode, ...jobConvergence(view, service) };
  let running = 0;
  let wanted = 0;
  let waiting: Task | undefined;
  for (const task of view.tasks.byService(service.id)) {
    if (task.desired !== 'running') continue;
    wanted += 1;
    if (task.status.state === 'running') running += 1;
    else if (!isTerminal(task.status.state) && (waiting?.status.err ?? '') === '') waiting = task;
  }
  const desired = spec.Mode.Replicated?.Replicas ?? wanted;
  return { mode, running, desired, reason: reasonOf(service, running, desired, waiting) };
}

function reasonOf(
  { updateStatus, endpoint, revision }: Service,
  running: number,
  desired: number,
  waiting: Task | undefined,
): string {
  if (updateStatus !== undefined && !updateStatus.state.endsWith('completed'))
    return `${updateStatus.state}: ${updateStatus.message}`;
  if (endpoint.revision !== revision) return 'its ports and addresses are not allocated yet';
  if (running === desired) return '';
  const told = waiting === undefined ? '' : waiting.status.err || waiting.status.message;
  return `${running} of ${desired} run${told === '' ? '' : `: ${told}`}`;
}

function jobConvergence(view: StateView, service: Service): Omit<Convergence, 'mode'> {
  const run = jobRun(view, service);
  // A job that waits for its schedule has nothing to do now.
  if (run === undefined) return { running: 0, desired: 0, reason: '' };
  const { running, desired, completed } = jobCounts(view, service, run.revision.spec);
  const left = [...run.standings.values()].filter((standing) => standing !== 'complete').length;
  const [missing] = run.missing();
  const reason =
    left === 0 && missing === undefined ? '' : `${completed} completed, ${running} run`;
  return { running, desired, reason };
}
