import { isBefore, isTerminal, type StateView, sameTask, type Task } from '@shoal/state';
import type { FakeAgent } from './fake-agent.ts';
import type { FakeUser } from './user.ts';

/** What is still in the way of "everything is as asked"; empty when it is. One sentence each. */
export function unconverged(
  view: StateView,
  agents: readonly FakeAgent[],
  user: FakeUser,
): readonly string[] {
  return [...lostWrites(view, user), ...wrongServices(view), ...strayContainers(view, agents)];
}

/** Never two tasks that run and are meant to run in one slot, unless the update starts first. */
export function crowdedSlots(view: StateView): readonly string[] {
  const running = new Map<string, number>();
  for (const task of view.tasks.byState('running')) {
    if (isBefore(task.desired, 'complete') && !startsFirst(view, task)) {
      const slot = `${task.serviceId}/${task.slot}`;
      running.set(slot, (running.get(slot) ?? 0) + 1);
    }
  }
  return [...running]
    .filter(([, count]) => count > 1)
    .map(([slot, count]) => `${count} tasks run in slot ${slot}`);
}

function startsFirst(view: StateView, task: Task): boolean {
  // The orders of the last updates may differ: any that starts first lets two run for a while.
  for (const revision of view.revisions.byService(task.serviceId)) {
    const { UpdateConfig, RollbackConfig } = revision.spec;
    if (UpdateConfig?.Order === 'start-first' || RollbackConfig?.Order === 'start-first')
      return true;
  }
  return false;
}

function lostWrites(view: StateView, user: FakeUser): readonly string[] {
  const lost: string[] = [];
  for (const [name, wanted] of user.acknowledged) {
    if (user.uncertain.has(name)) continue;
    const service = view.services.byName(name);
    const spec = service && view.revisions.of(service.id, service.revision)?.spec;
    if (JSON.stringify(spec) !== JSON.stringify(wanted?.spec))
      lost.push(`the acknowledged state of ${name} is lost`);
  }
  return lost;
}

function wrongServices(view: StateView): readonly string[] {
  const wrong: string[] = [];
  for (const service of view.services.values()) {
    const current = view.revisions.of(service.id, service.revision);
    const wanted = current?.spec.Mode.Replicated?.Replicas ?? 0;
    const fits = [...view.tasks.byService(service.id)].filter((task) => {
      const revision = view.revisions.of(task.serviceId, task.revision);
      const fresh = current !== undefined && revision !== undefined && sameTask(current, revision);
      return fresh && task.status.state === 'running' && task.desired === 'running';
    });
    const slots = new Set(fits.map((task) => task.slot));
    if (fits.length !== wanted || slots.size !== wanted)
      wrong.push(`${service.name} has ${fits.length} of ${wanted} tasks in ${slots.size} slots`);
  }
  for (const task of view.tasks.values()) {
    if (view.services.get(task.serviceId) === undefined)
      wrong.push(`task ${task.id} outlived its service`);
  }
  return wrong;
}

function strayContainers(view: StateView, agents: readonly FakeAgent[]): readonly string[] {
  const stray: string[] = [];
  for (const agent of agents) {
    const alive = new Set(agent.alive);
    for (const task of view.tasks.byNode(agent.nodeId)) {
      const runs = task.status.state === 'running' && !isTerminal(task.status.state);
      if (runs !== alive.has(task.id))
        stray.push(`task ${task.id} is ${task.status.state} and its container is not`);
      alive.delete(task.id);
    }
    for (const taskId of alive)
      stray.push(`a container of unknown task ${taskId} runs on ${agent.nodeId}`);
  }
  return stray;
}
