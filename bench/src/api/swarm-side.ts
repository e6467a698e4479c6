import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machines.ts';
import { cpuSecondsOf, ManagerProcess } from './manager-process.ts';
import { formSwarm, type Side } from './side.ts';

/** Docker's own Swarm mode: an engine for each manager. */
export async function startSwarm(directory: string, machines: readonly Machine[]): Promise<Side> {
  const engines = machines.map((machine, at) => startEngine(join(directory, `${at}`), machine));
  const sockets = engines.map(({ socket }) => socket);
  const stop = async (): Promise<void> => {
    await Promise.all(engines.map(({ engine }) => engine.stop()));
  };
  try {
    await formSwarm(
      sockets,
      machines.map(({ address }) => address),
    );
  } catch (error) {
    const told = engines.map(({ engine }) => engine.lastWords).join('\n');
    await stop();
    throw new Error(told, { cause: error });
  }
  return {
    sockets,
    cpuSeconds: () => cpuSecondsOf(engines.map(({ engine }) => engine)),
    memoryBytes: () => engines[0]?.engine.memoryBytes ?? 0,
    stop,
  };
}

interface Engine {
  readonly socket: string;
  readonly engine: ManagerProcess;
}

function startEngine(directory: string, machine: Machine): Engine {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, 'docker.sock');
  const args = [
    `--data-root=${join(directory, 'data')}`,
    `--exec-root=${join(directory, 'exec')}`,
    `--pidfile=${join(directory, 'pid')}`,
    `--host=unix://${socket}`,
    '--log-level=warn',
  ];
  return { socket, engine: new ManagerProcess(machine, join(directory, 'log'), 'dockerd', args) };
}
