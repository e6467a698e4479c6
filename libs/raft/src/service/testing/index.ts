export { newAuthority, proofOf, testClusterId } from './certificates.ts';
export { ClusterHarness, type HarnessVoter } from './cluster-harness.ts';
export { eventually } from './eventually.ts';
export { Proposer } from './proposer.ts';
export { clientTo, statusOf, VoterHarness } from './voter-harness.ts';
