export { FakeClock, settle } from './fake-clock.ts';
export { FakeLease, FakeLog, type FakeLogOptions, FakeReplica } from './fake-log.ts';
export { FakeRandom } from './fake-random.ts';
export { expectIncrementalEqualsWhole, type IncrementalOptions } from './incremental.ts';
