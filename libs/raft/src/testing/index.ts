export { FakeClock, settlePromises } from './fake-clock.ts';
export { FakeCluster, fakeMember, fakeMembership } from './fake-cluster.ts';
export { FakeDisk, FakeLogStorage } from './fake-log-storage.ts';
export { FakeNetwork } from './fake-network.ts';
export { FaultyDisk } from './faulty-disk.ts';
export { SafetyChecker } from './safety-checker.ts';
