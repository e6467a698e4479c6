export { eventually, statusOf, testClusterId, VoterHarness } from './voter-harness.ts';
