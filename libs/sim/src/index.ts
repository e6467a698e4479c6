export { SimulatedClock } from './clock.ts';
export { type NetworkFaults, SimulatedNetwork } from './network.ts';
export { SeededRandom } from './random.ts';
