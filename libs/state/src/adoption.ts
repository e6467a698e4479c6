import type { Instant, LogIndex } from '@shoal/runtime';
import { isSameToConstraints } from './constraint.ts';
import type {
  Meta,
  Node,
  StateObject,
  TableName,
  Tables,
  Task,
  TaskAttachment,
  TaskStatus,
} from './objects.ts';

/** Different strings kept for sharing; beyond that the pool starts afresh. */
const pooledStringsMax = 4_096;
/** Longer strings are rarely said twice, characters. */
const pooledCharsMax = 512;

/**
 * Makes the state's own copy of what a writer or a snapshot handed over: one shallow copy with the
 * state machine's `meta`, in which strings that thousands of tasks have in common exist once.
 */
export class Adoption {
  readonly #pool = new Map<string, string>();
  /** The status that was adopted last, and the state's own copy of it. */
  #newest: readonly [TaskStatus, TaskStatus] | undefined;
  #meta: Meta = { version: 0 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };

  /** Objects of one entry have equal metas, and share one. */
  meta(version: LogIndex, createdAt: Instant, updatedAt: Instant): Meta {
    const last = this.#meta;
    if (last.version !== version || last.createdAt !== createdAt || last.updatedAt !== updatedAt)
      this.#meta = { version, createdAt, updatedAt };
    return this.#meta;
  }

  adopt<T extends TableName>(
    table: T,
    object: Tables[T],
    before: Tables[T] | undefined,
    meta: Meta,
  ): Tables[T] {
    if (table === 'node' && before !== undefined)
      return this.#node(object as Node, before as Node, meta) as StateObject as Tables[T];
    if (table !== 'task') return { ...object, meta };
    return this.#task(object as Task, before as Task | undefined, meta) as StateObject as Tables[T];
  }

  /** Whoever writes the node, and for whatever reason: it is known since when constraints find it as it is. */
  #node(node: Node, before: Node, meta: Meta): Node {
    const isSame = isSameToConstraints(before, node);
    const factsChangedAt = isSame ? before.factsChangedAt : meta.updatedAt;
    return { ...node, meta, ...(factsChangedAt !== undefined && { factsChangedAt }) };
  }

  #task(task: Task, before: Task | undefined, meta: Meta): Task {
    const { networks } = task;
    const own = {
      ...task,
      id: before?.id ?? task.id,
      meta,
      serviceId: before?.serviceId ?? this.#shared(task.serviceId),
      nodeId: before?.nodeId === task.nodeId ? before.nodeId : this.#shared(task.nodeId),
      status: this.#status(task.status),
    };
    if (networks === undefined) return own;
    return { ...own, networks: before?.networks ?? this.#networks(networks) };
  }

  /** Changes that were written as one have one status, and go on sharing it. */
  #status(status: TaskStatus): TaskStatus {
    const [last, own] = this.#newest ?? [];
    if (own !== undefined && last === status) return own;
    const { message, err } = status;
    const adopted = { ...status, message: this.#shared(message), err: this.#shared(err) };
    this.#newest = [status, adopted];
    return adopted;
  }

  #networks(networks: readonly TaskAttachment[]): readonly TaskAttachment[] {
    return networks.map((one) => ({ ...one, networkId: this.#shared(one.networkId) }));
  }

  #shared(text: string): string {
    if (text === '' || text.length > pooledCharsMax) return text;
    const known = this.#pool.get(text);
    if (known !== undefined) return known;
    if (this.#pool.size >= pooledStringsMax) this.#pool.clear();
    this.#pool.set(text, text);
    return text;
  }
}
