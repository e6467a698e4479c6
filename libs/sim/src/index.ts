export { SimulatedClock } from './clock.ts';
export {
  cluster as simulatedCluster,
  epoch as simulatedEpoch,
  nodeOf as simulatedNode,
} from './control-plane/genesis.ts';
export {
  type ControlPlaneOutcome,
  type ControlPlaneParts,
  type ControlPlaneReport,
  ControlPlaneSimulation,
  type Plan as ControlPlanePlan,
  planOf as controlPlanePlan,
  simulateControlPlane,
} from './control-plane/index.ts';
export { FakeUser } from './control-plane/user.ts';
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
export { type GossipFaults, GossipWire, type WiredHost } from './gossip/wire.ts';
export { type NetworkFaults, SimulatedNetwork } from './network.ts';
export { SimulatedProcess } from './process.ts';
export { SeededRandom } from './random.ts';
export {
  type ControlParts,
  controlParts,
  type DispatcherFactory,
  startStage,
} from './stage-process.ts';
export { StreamEnd } from './stream.ts';
export { SimulatedVoter } from './voter.ts';
export { runSeeds, type SeedOutcome } from './voters/campaign.ts';
export {
  describeStep,
  simulateVoters,
  type VotersOutcome,
  type VotersReport,
  votersPlan,
} from './voters/index.ts';
export { shrink } from './voters/shrink.ts';
