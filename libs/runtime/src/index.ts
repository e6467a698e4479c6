export type { Brand, Instant, LogIndex, Monotonic, Term } from './brand.ts';
export { type Clock, systemClock, type Timer } from './clock.ts';
export { type ConnectionLimits, ConnectionPlaces } from './connection-places.ts';
export { CataloguedError, type ErrorKind, statusOf } from './errors.ts';
export { formatHostPort, type HostPort, parseHostPort } from './host-port.ts';
export { idLength, newId } from './id.ts';
export { assertNever, errorMessage, InvariantError, invariant } from './invariant.ts';
export { type Logger, type LogLevel, logLevels, silentLogger } from './logger.ts';
export { type Random, systemRandom } from './random.ts';
