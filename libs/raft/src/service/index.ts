export { Batcher, type Checked } from './batcher.ts';
export { leaseTtlMs } from './leases.ts';
export {
  type StartVoterOptions,
  startVoter,
  type Voter,
  type VoterExit,
  voterStopMsMax,
} from './start-voter.ts';
export { VoterMachine } from './voter-machine.ts';
export { voterMetrics } from './voter-metrics.ts';
export { VoterService, type VoterServiceOptions } from './voter-service.ts';
export type {
  AuthorityAnswer,
  AuthorityCall,
  LogKey,
  VoterFigures,
  VoterOptions,
  VoterOutcome,
  VoterPeer,
  VoterStatus,
  VoterTls,
} from './worker-protocol.ts';
