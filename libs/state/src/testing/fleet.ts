import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  encodePayload,
  encodeTransaction,
  type State,
  type Task,
  type TaskState,
} from '../index.ts';
import { create, meta, node, reserving, service, transaction, update } from './objects.ts';

/** A realistic cluster, fed through encoded payloads as production does. */
export interface Fleet {
  readonly services: number;
  readonly nodes: number;
  readonly tasks: number;
}

const transactionsPerEntry = 500;
const path: readonly [TaskState, string][] = [
  ['assigned', 'scheduler assigned task to node'],
  ['accepted', 'accepted'],
  ['preparing', 'preparing'],
  ['starting', 'starting'],
  ['running', 'started'],
];

const digits = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** 25 characters, as real ids have; the same for the same arguments. */
function fleetId(kind: string, number: number, length = 25): string {
  let seed = (number * 2_654_435_761 + kind.charCodeAt(0)) >>> 0;
  let id = `${kind}${number.toString(36)}`;
  while (id.length < length) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    id += digits[(seed >>> 16) % digits.length];
  }
  return id.slice(0, length);
}

/** Feeds payloads to one state, each transaction in its own encoding. */
export class FleetFeeder {
  readonly #apply: (payload: Uint8Array) => void;
  #time = 1_760_000_000_000;
  #batch: Uint8Array[] = [];
  #transactions = 0;

  constructor(apply: (payload: Uint8Array) => void) {
    this.#apply = apply;
  }

  add(...changes: readonly Change[]): void {
    this.#transactions += 1;
    const id = fleetId('x', this.#transactions);
    this.#batch.push(encodeTransaction(transaction(id, changes)));
    if (this.#batch.length >= transactionsPerEntry) this.flush();
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    this.#time += 37;
    this.#apply(encodePayload(this.#time as Instant, this.#batch));
    this.#batch = [];
  }
}

export function applyTo(state: State): (payload: Uint8Array) => void {
  return (payload) => state.apply((state.view.index + 1) as LogIndex, payload);
}

/** Creates every object and moves every task from `new` to `running`. */
export function feedFleet(state: State, fleet: Fleet, feeder: FleetFeeder): void {
  for (let n = 0; n < fleet.nodes; n += 1)
    feeder.add(create('node', node(fleetId('n', n), { NanoCPUs: 64e9, MemoryBytes: 2 ** 38 })));
  for (let s = 0; s < fleet.services; s += 1) {
    const id = fleetId('s', s);
    const reservations = { NanoCPUs: 1e7, MemoryBytes: 2 ** 20 };
    feeder.add(
      create('service', service(id, `service-${s}`)),
      create('revision', reserving(id, reservations)),
    );
  }
  for (let t = 0; t < fleet.tasks; t += 1) feeder.add(create('task', fleetTask(fleet, t)));
  feeder.flush();
  for (const step of path) {
    for (let t = 0; t < fleet.tasks; t += 1)
      feeder.add(update('task', stepped(state, fleet, t, step)));
    feeder.flush();
  }
}

function fleetTask({ services }: Fleet, number: number): Task {
  return {
    id: fleetId('t', number),
    meta: meta(),
    serviceId: fleetId('s', number % services),
    slot: 1 + Math.floor(number / services),
    nodeId: '',
    revision: 1,
    desired: 'running',
    status: { state: 'new', at: 1_760_000_000_000 as Instant, message: 'created', err: '' },
  };
}

function stepped(
  state: State,
  { nodes }: Fleet,
  number: number,
  [next, message]: readonly [TaskState, string],
): Task {
  const before = state.view.tasks.get(fleetId('t', number)) as Task;
  const at = (1_760_000_000_000 + number) as Instant;
  const started = next === 'starting' || next === 'running';
  const container = { id: fleetId('c', number, 64), pid: 1_000 + number, exitCode: 0 };
  return {
    ...before,
    nodeId: fleetId('n', number % nodes),
    status: { state: next, at, message, err: '', ...(started && { container }) },
  };
}
