import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from '@shoal/e2e/engine';
import { nodeEnvironment, nodeFlags } from '@shoal/runtime/process';
import type { Machine } from './machines.ts';
import { cpuSecondsOf, ManagerProcess } from './manager-process.ts';
import { formSwarm, type Side } from './side.ts';

/** What a manager runs. Without an agent: no task of this benchmark finds a node. */
const programs = ['api', 'orchestrator', 'allocator', 'scheduler', 'dispatcher'] as const;
const firstMetricsPort = 9_371;

/** Our managers, each with its stages in processes of their own, as `./shoal up` starts them. */
export async function startShoal(directory: string, machines: readonly Machine[]): Promise<Side> {
  const managers = machines.map((machine, at) => startManager(join(directory, `${at}`), machine));
  const sockets = managers.map(({ socket }) => socket);
  const stop = async (): Promise<void> => {
    for (const { processes } of managers) await Promise.all(processes.map((one) => one.stop()));
  };
  try {
    await formSwarm(
      sockets,
      machines.map(({ address }) => address),
    );
  } catch (error) {
    const told = managers.flatMap(({ processes }) => processes.map((one) => one.lastWords));
    await stop();
    throw new Error(told.join('\n'), { cause: error });
  }
  const [first] = managers;
  return {
    sockets,
    cpuSeconds: () => managers.reduce((sum, { processes }) => sum + cpuSecondsOf(processes), 0),
    memoryBytes: () => (first?.processes ?? []).reduce((sum, one) => sum + one.memoryBytes, 0),
    stop,
  };
}

interface Manager {
  readonly socket: string;
  readonly processes: readonly ManagerProcess[];
}

function startManager(directory: string, machine: Machine): Manager {
  const runDirectory = join(directory, 'run');
  mkdirSync(runDirectory, { recursive: true });
  const socket = join(runDirectory, 'docker.sock');
  const own = {
    api: [`--socket=${socket}`, `--engine=unix://${join(directory, 'none.sock')}`],
  } as Readonly<Record<string, readonly string[]>>;
  const processes = programs.map((name, at) => {
    const args = [
      ...nodeFlags(name),
      join(repository, 'apps', name, 'dist/main.mjs'),
      `--data-dir=${join(directory, 'data')}`,
      `--run-dir=${runDirectory}`,
      `--metrics-listen=127.0.0.1:${firstMetricsPort + at}`,
      '--log-level=warn',
      ...(own[name] ?? []),
    ];
    const log = join(directory, `${name}.log`);
    return new ManagerProcess(machine, log, process.execPath, args, nodeEnvironment);
  });
  return { socket, processes };
}
