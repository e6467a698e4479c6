export { Agent, type AgentOptions, statusFile } from './agent.ts';
export { DockerEngine, type DockerEngineOptions } from './executor/docker-engine.ts';
export type {
  ContainerEvent,
  Engine,
  EngineFailure,
  EngineResult,
  ListedContainer,
  TaskContainer,
} from './executor/engine.ts';
export { TaskFiles } from './files/task-files.ts';
export { HostGossip } from './gossip/host-gossip.ts';
export { gossipMetrics } from './gossip/metrics.ts';
export type { GossipEnd, GossipNetwork } from './gossip/sockets.ts';
export { type AgentMetrics, agentMetrics } from './metrics.ts';
export { type FeedEnd, HostFeed } from './network/feed.ts';
export { HostNetworking, type HostNetworkingOptions } from './network/host-networking.ts';
export type { Remembered } from './network/memory.ts';
export { networkMetrics } from './network/metrics.ts';
export type { Ensured, OverlayPort } from './network/ports.ts';
export {
  OverlayDriver,
  type OverlayDriverOptions,
  pluginSocketDefault,
} from './overlay/driver.ts';
export { type OverlayMetrics, overlayMetrics } from './overlay/metrics.ts';
export { Reporter } from './session/reporter.ts';
export { Session } from './session/session.ts';
export { type Act, type ActEnd, type Move, nextMove, passed, settle } from './task/machine.ts';
export { StatusStore } from './worker/status-store.ts';
export { Worker, type WorkerOptions } from './worker/worker.ts';
