import type { Instant } from '@shoal/runtime';
import type { Service, StateView, Task, UpdateConfig } from '@shoal/state';
import { slotsOf } from './naive-policies.ts';

/**
 * An orchestrator that was cut off, or is late, may act on what it knew for as long as its lease lasts and
 * its proposals are on their way, milliseconds.
 */
const graceMs = 3_000;

interface Watch {
  /** The update that is watched. */
  readonly key: string;
  /** Slot or node → when its first task was seen to have failed. */
  readonly failedAt: Map<string, Instant>;
}

/** Counts for itself what failed in each update, and says which update goes on all the same. */
export class FailureRatio {
  readonly #watches = new Map<string, Watch>();
  readonly #known = new Set<string>();

  look(view: StateView, now: Instant): readonly string[] {
    const wrong: string[] = [];
    for (const service of view.services.values()) {
      const watch = this.#watch(service);
      const config = watch === undefined ? undefined : configOf(view, service);
      const tasks = [...view.tasks.byService(service.id)];
      if (watch !== undefined && config !== undefined) {
        const total = this.#slotsOf(view, service);
        for (const task of tasks) {
          if (this.#known.has(task.id) || !isFirstOfUpdate(service, task, tasks)) continue;
          const failed = [...watch.failedAt.values()].filter((at) => at + graceMs < now).length;
          if (failed / total > (config.MaxFailureRatio ?? 0))
            wrong.push(
              `an update of ${service.name} goes on with task ${task.id} after ${failed} of ${total} failed`,
            );
        }
        this.#note(service, config, tasks, watch, now);
      }
      for (const { id } of tasks) this.#known.add(id);
    }
    return wrong;
  }

  /** What the update is about; undefined while none is on. A rollback is an update of its own. */
  #watch({ id, revision, updateStatus }: Service): Watch | undefined {
    const state = updateStatus?.state;
    if (state !== 'updating' && state !== 'rollback_started') return undefined;
    const key = `${revision} ${state} ${updateStatus?.startedAt}`;
    const known = this.#watches.get(id);
    if (known?.key === key) return known;
    const watch = { key, failedAt: new Map<string, Instant>() };
    this.#watches.set(id, watch);
    return watch;
  }

  #slotsOf(view: StateView, service: Service): number {
    const spec = view.revisions.of(service.id, service.revision)?.spec;
    return (spec && slotsOf(service, spec)) ?? view.nodes.size;
  }

  #note(
    service: Service,
    config: UpdateConfig,
    tasks: readonly Task[],
    { failedAt }: Watch,
    now: Instant,
  ): void {
    for (const task of tasks) {
      const place = task.slot === 0 ? task.nodeId : `${task.slot}`;
      if (failedAt.has(place)) continue;
      if (!isFirstOfUpdate(service, task, tasks)) continue;
      const { state, at, startedAt } = task.status;
      if (state !== 'failed' && state !== 'rejected' && state !== 'complete') continue;
      const monitorMs = (config.Monitor ?? 5e9) / 1e6;
      if (startedAt === undefined || at - startedAt <= monitorMs) failedAt.set(place, now);
    }
  }
}

/** Undefined where failures do not stop the update. */
function configOf(view: StateView, { id, revision, updateStatus }: Service) {
  const { UpdateConfig, RollbackConfig } = view.revisions.of(id, revision)?.spec ?? {};
  const config = updateStatus?.state === 'updating' ? UpdateConfig : RollbackConfig;
  return config?.FailureAction === 'continue' ? undefined : config;
}

/** Made by the update to take the place of another one: no restart, and not in a slot that is new. */
function isFirstOfUpdate(service: Service, task: Task, tasks: readonly Task[]): boolean {
  const since = service.updateStatus?.since ?? service.updateStatus?.startedAt ?? 0;
  return (
    task.revision === service.revision &&
    task.restart === undefined &&
    task.meta.createdAt >= since &&
    tasks.some(
      (mate) =>
        mate.slot === task.slot &&
        (task.slot !== 0 || mate.nodeId === task.nodeId) &&
        mate.revision !== task.revision &&
        mate.meta.createdAt < task.meta.createdAt,
    )
  );
}
