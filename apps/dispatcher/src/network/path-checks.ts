import { reachedAt } from '@shoal/overlay';
import type { DispatcherMessage, NodePaths, PathResults } from '@shoal/proto';
import { type Clock, newId, type Random } from '@shoal/runtime';
import type { StateView } from '@shoal/state';

/** What an answer may take beside the time that hosts try, milliseconds. */
const answerMsMax = 8_000;
/** Longest time that hosts are let try, milliseconds. */
const tryMsMax = 10_000;
/** Checks that may be under way at the same time. */
const checksMax = 8;

export interface PathChecksOptions {
  readonly view: () => StateView;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PathSession {
  readonly nodeId: string;
  send(message: DispatcherMessage): void;
}

interface Check {
  readonly silent: Set<string>;
  readonly found: NodePaths[];
  readonly finish: () => void;
}

/** Lets the nodes of this dispatcher's sessions try to reach the other nodes. */
export class PathChecks {
  readonly #options: PathChecksOptions;
  readonly #checks = new Map<string, Check>();

  constructor(options: PathChecksOptions) {
    this.#options = options;
  }

  /** Answers when every node has, or says which did not. Undefined: too many checks are under way. */
  async check(
    sessions: readonly PathSession[],
    timeoutMs: number,
  ): Promise<NodePaths[] | undefined> {
    if (this.#checks.size >= checksMax) return undefined;
    const { view, clock, random } = this.#options;
    const id = newId(random);
    const tryMs = Math.min(timeoutMs, tryMsMax);
    // Those that are down too: whether they can be reached is what is asked.
    const targets = Array.from(view().nodes.values(), (node) => {
      return { nodeId: node.id, addr: reachedAt(node) };
    }).filter(({ addr }) => addr !== '');
    const { promise: done, resolve: finish } = Promise.withResolvers<void>();
    const check: Check = {
      silent: new Set(sessions.map(({ nodeId }) => nodeId)),
      found: [],
      finish,
    };
    this.#checks.set(id, check);
    const timer = clock.after(tryMs + answerMsMax, finish);
    for (const session of sessions) {
      const others = targets.filter(({ nodeId }) => nodeId !== session.nodeId);
      const value = { id, targets: others, timeoutMs: tryMs };
      session.send({ body: { $case: 'pathCheck', value } });
    }
    if (sessions.length > 0) await done;
    timer.cancel();
    this.#checks.delete(id);
    const silent = [...check.silent].map((nodeId) => ({ nodeId, results: [], silent: true }));
    return [...check.found, ...silent];
  }

  answered(nodeId: string, { id, results }: PathResults): void {
    const check = this.#checks.get(id);
    if (check?.silent.delete(nodeId) !== true) return;
    check.found.push({ nodeId, results, silent: false });
    if (check.silent.size === 0) check.finish();
  }

  stop(): void {
    for (const { finish } of this.#checks.values()) finish();
  }
}
