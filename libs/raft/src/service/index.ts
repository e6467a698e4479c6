export { leaseTtlMs } from './leases.ts';
export { startVoter, type Voter, type VoterExit, voterStopMsMax } from './start-voter.ts';
export type { VoterOptions, VoterStatus, VoterTls } from './worker-protocol.ts';
