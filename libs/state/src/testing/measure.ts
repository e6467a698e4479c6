import { State } from '../index.ts';
import { applyTo, type Fleet, FleetFeeder, feedFleet } from './fleet.ts';

/** A program for `node --expose-gc`: prints what a fleet costs, as one line of JSON. */

export interface Measured {
  readonly heapBytes: number;
  readonly transactions: number;
  /** Decoding and applying alone, CPU seconds. */
  readonly cpuSeconds: number;
}

const fleet: Fleet = JSON.parse(process.argv[2] ?? '{}');
const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined);

function heap(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

const state = new State();
let micros = 0;
let transactions = 0;
const apply = applyTo(state);
const feeder = new FleetFeeder((payload) => {
  const before = process.cpuUsage();
  apply(payload);
  const { user, system } = process.cpuUsage(before);
  micros += user + system;
});
const before = heap();
feedFleet(state, fleet, feeder);
transactions = fleet.nodes + fleet.services + 6 * fleet.tasks;
const measured: Measured = {
  heapBytes: heap() - before,
  transactions,
  cpuSeconds: micros / 1e6,
};
if (state.view.tasks.size !== fleet.tasks) throw new Error('tasks are missing');
for (const task of state.view.tasks.values())
  if (task.status.state !== 'running') throw new Error(`task ${task.id} is ${task.status.state}`);
console.log(JSON.stringify(measured));
