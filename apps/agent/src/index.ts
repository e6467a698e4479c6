export { Agent, type AgentOptions, statusFile } from './agent.ts';
export { DockerEngine, type DockerEngineOptions } from './executor/docker-engine.ts';
export type { Engine, EngineFailure, EngineResult, TaskContainer } from './executor/engine.ts';
export { type AgentMetrics, agentMetrics } from './metrics.ts';
export {
  OverlayDriver,
  type OverlayDriverOptions,
  pluginSocketDefault,
} from './overlay/driver.ts';
export { type OverlayMetrics, overlayMetrics } from './overlay/metrics.ts';
export { type Act, type ActEnd, type Move, nextMove, passed, settle } from './task/machine.ts';
export { StatusStore } from './worker/status-store.ts';
export { Worker, type WorkerOptions } from './worker/worker.ts';
