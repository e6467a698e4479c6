export { FakeClock, settlePromises } from './fake-clock.ts';
export { FakeDisk, FakeLogStorage } from './fake-log-storage.ts';
export { FakeNetwork } from './fake-network.ts';
