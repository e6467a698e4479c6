export { Batcher, type Checked } from './batcher.ts';
export { leaseTtlMs } from './leases.ts';
export { startVoter, type Voter, type VoterExit, voterStopMsMax } from './start-voter.ts';
export { VoterMachine } from './voter-machine.ts';
export { VoterService, type VoterServiceOptions } from './voter-service.ts';
export type { VoterOptions, VoterStatus, VoterTls } from './worker-protocol.ts';
