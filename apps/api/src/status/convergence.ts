import { currentRevision, modeName } from '@shoal/docker-api';
import {
  isBefore,
  isJob,
  isStopped,
  isTerminal,
  jobCounts,
  jobRun,
  replicasOf,
  type Service,
  type StateView,
  stoppedLabel,
  type Task,
} from '@shoal/state';

/** How far a service is from what it asks for. */
export interface Convergence {
  readonly mode: 'replicated' | 'global' | 'replicated-job' | 'global-job';
  /** Slots, or nodes of a global service, with a task that runs. */
  readonly running: number;
  readonly desired: number;
  /** One sentence for people; empty when the service is what it asks for. */
  readonly reason: string;
}

export function convergenceOf(view: StateView, service: Service): Convergence {
  const { spec } = currentRevision(view, service);
  const mode = modeName(spec);
  if (isJob(spec)) return { mode, ...jobConvergence(view, service) };
  const placeOf = spec.Mode.Global === undefined ? slotOf : nodeOf;
  const tasks = [...view.tasks.byService(service.id)];
  // A task that replaces one that ended is to be ready at first, and to run once its delay is over.
  const wanted = tasks.filter(isWanted);
  const running = new Set(wanted.filter(isRunning).map(placeOf));
  const desired = replicasOf(service, spec) ?? new Set(wanted.map(placeOf)).size;
  const said = () => saidOf(tasks, placeOf);
  return {
    mode,
    running: running.size,
    desired,
    reason: isStopped(spec.Labels)
      ? stoppedReason(running.size)
      : reasonOf(service, running.size, desired, said),
  };
}

type Place = Task['slot'] | Task['nodeId'];

const slotOf = ({ slot }: Task): Place => slot;
const nodeOf = ({ nodeId }: Task): Place => nodeId;

/** True for a task that is meant to run now, or soon. */
function isWanted({ desired }: Task): boolean {
  return !isBefore('complete', desired);
}

function isRunning({ status }: Task): boolean {
  return status.state === 'running';
}

function stoppedReason(running: number): string {
  return running === 0 ? `it is stopped (label ${stoppedLabel})` : `${running} are to stop`;
}

function reasonOf(
  { updateStatus, endpoint, revision }: Service,
  running: number,
  desired: number,
  said: () => string,
): string {
  if (updateStatus !== undefined && !updateStatus.state.endsWith('completed'))
    return `${updateStatus.state}: ${updateStatus.message}`;
  if (endpoint.revision !== revision) return 'its ports and addresses are not allocated yet';
  return running === desired ? '' : because(`${running} of ${desired} run`, said());
}

function because(standing: string, said: string): string {
  return said === '' ? standing : `${standing}: ${said}`;
}

/** What a place where nothing runs says of why. Those given up come last: they may be no longer wanted. */
function saidOf(tasks: readonly Task[], placeOf: (task: Task) => Place): string {
  const lacking = [...Map.groupBy(tasks, placeOf).values()].filter(
    (mates) => !mates.some((task) => isWanted(task) && isRunning(task)),
  );
  const isAwaited = (mates: readonly Task[]) => mates.some(isWanted);
  const isGivenUp = (mates: readonly Task[]) => !isAwaited(mates);
  for (const mates of [...lacking.filter(isAwaited), ...lacking.filter(isGivenUp)]) {
    const said = saidAt(mates);
    if (said !== '') return said;
  }
  return '';
}

/** `mates` are in the order of their creation. */
function saidAt(mates: readonly Task[]): string {
  const waiting = mates.findLast(isWanted);
  const ended = mates.findLast(({ status }) => isTerminal(status.state));
  const { state, err = '' } = ended?.status ?? {};
  const failure = state === 'failed' || state === 'rejected' ? err : '';
  return waiting?.status.err || failure || (waiting?.status.message ?? '');
}

function jobConvergence(view: StateView, service: Service): Omit<Convergence, 'mode'> {
  const run = jobRun(view, service);
  // A job that waits for its schedule has nothing to do now.
  if (run === undefined) return { running: 0, desired: 0, reason: '' };
  const { iteration, revision, standings } = run;
  const { running, desired, completed } = jobCounts(view, service, revision.spec);
  const left = [...standings.values()].filter((standing) => standing !== 'complete').length;
  const [missing] = run.missing();
  if (left === 0 && missing === undefined) return { running, desired, reason: '' };
  const placeOf = revision.spec.Mode.GlobalJob === undefined ? slotOf : nodeOf;
  const lacking = [...view.tasks.byService(service.id)].filter(
    (task) => task.jobIteration === iteration && standings.get(placeOf(task)) !== 'complete',
  );
  const counts = `${completed} completed, ${running} run`;
  return { running, desired, reason: because(counts, saidOf(lacking, placeOf)) };
}
