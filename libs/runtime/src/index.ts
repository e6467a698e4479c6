export type { Brand, Instant, LogIndex, Monotonic, Term } from './brand.ts';
export { type Clock, systemClock, type Timer } from './clock.ts';
export { idLength, newId } from './id.ts';
export { assertNever, errorMessage, InvariantError, invariant } from './invariant.ts';
export { type Random, systemRandom } from './random.ts';
