import { isDeepStrictEqual } from 'node:util';
import { apiErrors } from '@shoal/docker-api';
import type { LogIndex } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { AppliedChange, StateObject } from '@shoal/state';

/**
 * Since which version what people ask for of a node, a service or the swarm stands as it does. The stages write to
 * these objects too (a node's status, how far an update is); who read an object before that has still read the newest
 * spec, and their update goes through, where Swarm refuses it (moby#30794).
 *
 * Known from the changes that this process has seen applied; before the first one only the newest version counts.
 */
export class SpecHistory {
  readonly #since = new Map<string, LogIndex>();

  constructor(replica: Pick<Replica, 'subscribe'>) {
    replica.subscribe((event) => {
      if (event.kind === 'reset') this.#since.clear();
      else for (const change of event.entry.changes) this.#note(change);
    });
  }

  /** @throws ApiError unless whoever read the object at that version knows its newest spec. */
  checkRead({ id, meta }: StateObject, read: LogIndex): void {
    if (read === meta.version) return;
    const since = this.#since.get(id);
    if (since === undefined || read < since || read > meta.version) throw apiErrors.outOfSequence();
  }

  #note(change: AppliedChange): void {
    if (change.table === 'node') this.#keep(change, ({ spec }) => spec);
    else if (change.table === 'service')
      this.#keep(change, ({ revision, scaling }) => [revision, scaling?.replicas]);
    else if (change.table === 'cluster')
      this.#keep(change, ({ spec, joinTokens, unlockKey, rootCa }) => [
        spec,
        joinTokens,
        unlockKey,
        rootCa,
      ]);
  }

  #keep<T extends StateObject>(
    { id, before, after }: Versions<T>,
    asked: (object: T) => unknown,
  ): void {
    if (after === undefined) this.#since.delete(id);
    else if (before === undefined || !isDeepStrictEqual(asked(before), asked(after)))
      this.#since.set(id, after.meta.version);
    else if (!this.#since.has(id)) this.#since.set(id, before.meta.version);
  }
}

interface Versions<T> {
  readonly id: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}
