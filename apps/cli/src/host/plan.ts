import { join } from 'node:path';
import { nodeEnvironment, nodeFlags } from '@shoal/runtime/process';
import type { HostConfig } from './config.ts';

/** The processes of a host, in the order they are started; stopped in reverse. */
export const processNames = [
  'api',
  'orchestrator',
  'allocator',
  'scheduler',
  'dispatcher',
  'agent',
  'dns',
  'ingress-lb',
] as const;
export type ProcessName = (typeof processNames)[number];

/** How to start one process. */
export interface ProcessPlan {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Beside it is all that the program is made of. */
  readonly bundle: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Marks the processes of a supervisor in their environment, with its run directory. */
export const supervisedMark = 'SHOAL_SUPERVISED_IN';

/** The bundled program of a process. */
export function programOf(root: string, name: ProcessName | 'cli'): string {
  return join(root, 'apps', name, 'dist/main.mjs');
}

/** What each process is told beside the flags that all have. */
function ownFlags(name: ProcessName, config: HostConfig): readonly string[] {
  switch (name) {
    case 'api':
      return [
        `--socket=${config.socket}`,
        `--listen=${config.listen}`,
        `--dispatcher-listen=${config.dispatcherListen}`,
        `--engine=${config.engine}`,
        `--dashboard=${config.dashboard}`,
      ];
    case 'dispatcher':
      return [`--listen=${config.dispatcherListen}`];
    case 'agent':
      return [`--engine=${config.engine}`];
    default:
      return [];
  }
}

/** Everything a host runs. */
export function hostPlan(config: HostConfig, root: string, node: string): readonly ProcessPlan[] {
  return processNames.map((name, at) => ({
    name,
    program: node,
    args: [
      ...nodeFlags(name),
      programOf(root, name),
      `--data-dir=${config.dataDir}`,
      `--run-dir=${config.runDir}`,
      `--metrics-listen=127.0.0.1:${config.metricsPortBase + at}`,
      ...ownFlags(name, config),
    ],
    bundle: programOf(root, name),
    env: {
      ...nodeEnvironment,
      NODE_COMPILE_CACHE: join(config.dataDir, 'cache/node'),
      [supervisedMark]: config.runDir,
    },
  }));
}
