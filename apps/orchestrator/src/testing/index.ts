export type { Fate } from './fake-agents.ts';
export { FakeSwarm } from './fake-swarm.ts';
export { type SpecParts, second } from './objects.ts';
