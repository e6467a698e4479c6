export { SimulatedClock } from './clock.ts';
export {
  type ControlPlaneOutcome,
  type ControlPlaneParts,
  type ControlPlaneReport,
  ControlPlaneSimulation,
  type Plan as ControlPlanePlan,
  planOf as controlPlanePlan,
  simulateControlPlane,
} from './control-plane/index.ts';
export { FakeAgent, type SessionOpener, type SessionPeer } from './fake-agent.ts';
export { type GossipGrowth, measureGossip } from './gossip/growth.ts';
export {
  GossipChaos,
  type GossipOutcome,
  type GossipPlan,
  type GossipReport,
  gossipPlan,
  gossipThread,
  simulateGossip,
} from './gossip/index.ts';
export { type NetworkFaults, SimulatedNetwork } from './network.ts';
export { SeededRandom } from './random.ts';
export type { ControlParts, DispatcherFactory } from './stage-process.ts';
export { runSeeds, type SeedOutcome } from './voters/campaign.ts';
export {
  describeStep,
  simulateVoters,
  type VotersOutcome,
  type VotersReport,
  votersPlan,
} from './voters/index.ts';
