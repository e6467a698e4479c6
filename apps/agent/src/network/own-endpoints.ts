import { isDeepStrictEqual } from 'node:util';
import type { EndpointRecord, TaskAssignment } from '@shoal/state';

/** Docker's short container id, characters. */
const shortIdChars = 12;

interface Own {
  /** As the dispatcher made them, one for each network. */
  records: readonly EndpointRecord[];
  readonly aliases: readonly string[];
  serving: boolean;
}

/** The tasks of this host that are in networks, and whether they are to be found there. */
export class OwnEndpoints {
  readonly #tasks = new Map<string, Own>();

  /** The task's records as they are now. */
  records(taskId: string): readonly EndpointRecord[] {
    const own = this.#tasks.get(taskId);
    if (own === undefined) return [];
    const { serving, aliases } = own;
    return own.records.map((record) => ({ ...record, serving, containerAliases: aliases }));
  }

  isServing(taskId: string): boolean {
    return this.#tasks.get(taskId)?.serving === true;
  }

  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** Its container is or will soon be there. `serving` counts only for a task that was not known. */
  join(assignment: TaskAssignment, containerId: string, serving: boolean): void {
    const { taskId, networks = [], template } = assignment;
    if (networks.length === 0) return;
    this.#tasks.set(taskId, {
      records: networks.map(({ record }) => record),
      aliases: aliasesOf(containerId, template.ContainerSpec.Hostname),
      serving: this.#tasks.get(taskId)?.serving ?? serving,
    });
  }

  /** The records of a known task may be others now. True if they are. */
  assigned({ taskId, networks = [] }: TaskAssignment): boolean {
    const own = this.#tasks.get(taskId);
    const records = networks.map(({ record }) => record);
    // Who is being stopped is no longer told of its networks.
    if (own === undefined || records.length === 0) return false;
    if (isDeepStrictEqual(own.records, records)) return false;
    own.records = records;
    return true;
  }

  /** False when that was so, or the task is not here. */
  setServing(taskId: string, serving: boolean): boolean {
    const own = this.#tasks.get(taskId);
    if (own === undefined || own.serving === serving) return false;
    own.serving = serving;
    return true;
  }

  delete(taskId: string): void {
    this.#tasks.delete(taskId);
  }
}

/** A host name that is made from a template is known by the engine alone. */
function aliasesOf(containerId: string, hostname: string | undefined): readonly string[] {
  const short = containerId.slice(0, shortIdChars);
  const plain = hostname !== undefined && hostname !== '' && !hostname.includes('{{');
  return plain ? [short, hostname] : [short];
}
