export {
  type HostState,
  ManagerHost,
  type ManagerHostOptions,
  type ManagerSession,
  type ManagerWork,
} from './manager-host.ts';
export { type Beside, hostStage, runStageProcess, type StageProcess } from './stage-process.ts';
