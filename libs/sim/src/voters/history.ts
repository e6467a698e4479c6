import type { Monotonic } from '@shoal/runtime';

/**
 * What a client asked of the log and what it was told. The object is a list that only grows: a write
 * appends its value, a read answers how long the list was.
 */
export interface Operation {
  readonly client: string;
  readonly kind: 'write' | 'read';
  /** Unique among all writes; empty for reads. */
  readonly value: string;
  readonly asked: Monotonic;
  answered: Monotonic | undefined;
  /**
   * - `open`: no answer yet, or never: may have happened or may happen still.
   * - `done`: acknowledged. `failed`: refused, and certainly without effect.
   */
  outcome: 'open' | 'done' | 'failed';
  /** Reads that are done: the length they saw. */
  length: number;
}

/** Collects operations while they run. */
export class History {
  readonly operations: Operation[] = [];

  begin(client: string, kind: Operation['kind'], value: string, asked: Monotonic): Operation {
    const operation: Operation = {
      client,
      kind,
      value,
      asked,
      answered: undefined,
      outcome: 'open',
      length: 0,
    };
    this.operations.push(operation);
    return operation;
  }
}

/**
 * Whether the answers fit one order in which every operation happens at one instant between question
 * and answer (Herlihy and Wing 1990). A growing list gives the order away, so the check needs no search:
 * the place of a write is that of its value in `list`, the place of a read is the length it saw, and no
 * operation may take a place before one that was over when it was asked.
 * Answers the first contradiction, or undefined.
 */
export function contradiction(
  operations: readonly Operation[],
  list: readonly string[],
): string | undefined {
  const places = new Map<string, number>();
  for (const [at, value] of list.entries()) {
    if (places.has(value)) return `${value} is in the list twice`;
    places.set(value, at + 1);
  }
  return unfitWrite(operations, places) ?? unfitOrder(operations, places, list.length);
}

function unfitWrite(
  operations: readonly Operation[],
  places: ReadonlyMap<string, number>,
): string | undefined {
  for (const { kind, value, outcome, client } of operations) {
    if (kind === 'read') continue;
    if (outcome === 'done' && !places.has(value))
      return `${client} was told that ${value} is written, and it is lost`;
    if (outcome === 'failed' && places.has(value))
      return `${client} was told that ${value} is refused, and it is written`;
  }
  return undefined;
}

function unfitOrder(
  operations: readonly Operation[],
  places: ReadonlyMap<string, number>,
  length: number,
): string | undefined {
  const placed = operations.flatMap((operation) => {
    const place = operation.kind === 'write' ? places.get(operation.value) : readPlace(operation);
    return place === undefined ? [] : [{ operation, place }];
  });
  const byAnswer = placed.filter(({ operation }) => operation.outcome === 'done');
  byAnswer.sort((a, b) => (a.operation.answered ?? 0) - (b.operation.answered ?? 0));
  const byQuestion = placed.toSorted((a, b) => a.operation.asked - b.operation.asked);
  let over = 0;
  let floor = 0;
  let floorBy = '';
  for (const { operation, place } of byQuestion) {
    for (;;) {
      const earlier = byAnswer[over];
      if (earlier === undefined || (earlier.operation.answered ?? 0) >= operation.asked) break;
      if (earlier.place > floor) {
        floor = earlier.place;
        floorBy = describe(earlier.operation);
      }
      over += 1;
    }
    if (place > length) return `${describe(operation)} saw more than there is (${length})`;
    const fits = operation.kind === 'write' ? place > floor : place >= floor;
    if (!fits)
      return `${describe(operation)} takes place ${place}, though ${floorBy} was over before it was asked`;
  }
  return undefined;
}

function readPlace(operation: Operation): number | undefined {
  return operation.outcome === 'done' ? operation.length : undefined;
}

function describe({ client, kind, value, length, asked, answered }: Operation): string {
  const what = kind === 'write' ? `write of ${value}` : `read of ${length} values`;
  return `${client}'s ${what} (asked ${asked.toFixed(1)}, answered ${answered?.toFixed(1) ?? 'never'})`;
}
