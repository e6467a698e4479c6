import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { mustRun } from '@shoal/e2e/command';
import { type Engine, repository, startEngine } from '@shoal/e2e/engine';
import { SwarmClient } from './swarm-client.ts';

/** Milliseconds, one value a run. */
export interface ServiceLifeTimes {
  readonly createMs: readonly number[];
  readonly scaleMs: readonly number[];
}

export interface ServiceLifeResult {
  readonly shoal: ServiceLifeTimes;
  readonly swarm: ServiceLifeTimes;
}

const createRuns = 9;
const scaleRuns = 5;
const scaleTo = 50;

/**
 * Service create → RUNNING and scale 1 → 50 on Shoal and on Docker's own Swarm mode, each on an engine
 * of its own, in turns in one run, so that the load of the machine meets both alike.
 */
export async function measureServiceLife(): Promise<ServiceLifeResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-bench-'));
  const engines: Engine[] = [];
  const shoal = join(repository, 'shoal');
  const runDirectory = join(scratch, 'run');
  try {
    for (const name of ['shoal', 'swarm']) {
      const engine = await startEngine(join(scratch, name));
      await mustRun(join(repository, 'images/build.sh'), [engine.url]);
      engines.push(engine);
    }
    const [ours, theirs] = engines;
    if (ours === undefined || theirs === undefined) throw new Error('no engines');
    mkdirSync(runDirectory, { recursive: true });
    await mustRun(shoal, [
      'up',
      `--data-dir=${join(scratch, 'data')}`,
      `--run-dir=${runDirectory}`,
      `--engine=${ours.url}`,
      '--listen=127.0.0.1:12377',
      '--dispatcher-listen=127.0.0.1:12378',
      '--metrics-port-base=12361',
    ]);
    const contenders = {
      shoal: new SwarmClient(join(runDirectory, 'docker.sock')),
      swarm: new SwarmClient(theirs.socket),
    };
    await mustRun('docker', ['--host', `unix://${runDirectory}/docker.sock`, ...init]);
    await mustRun('docker', ['--host', theirs.url, ...init]);
    return await takeTurns(contenders);
  } finally {
    await mustRun(shoal, ['down', `--run-dir=${runDirectory}`]).catch(() => '');
    for (const engine of engines) await engine.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

const init = ['swarm', 'init', '--advertise-addr=127.0.0.1'];

async function takeTurns(contenders: {
  readonly shoal: SwarmClient;
  readonly swarm: SwarmClient;
}): Promise<ServiceLifeResult> {
  const times = {
    shoal: { createMs: [] as number[], scaleMs: [] as number[] },
    swarm: { createMs: [] as number[], scaleMs: [] as number[] },
  };
  const names = ['shoal', 'swarm'] as const;
  // The first service of each is not counted: it warms caches that every later one finds warm.
  for (const name of names) await createOnce(contenders[name]);
  for (let round = 0; round < createRuns; round++) {
    for (const name of names) times[name].createMs.push(await createOnce(contenders[name]));
  }
  for (let round = 0; round < scaleRuns; round++) {
    for (const name of names) times[name].scaleMs.push(await scaleOnce(contenders[name]));
  }
  return times;
}

async function createOnce(client: SwarmClient): Promise<number> {
  const since = performance.now();
  const id = await client.create('bench-create', 1);
  const elapsed = await client.untilRunning(id, 1, since);
  await client.remove(id);
  return elapsed;
}

async function scaleOnce(client: SwarmClient): Promise<number> {
  const id = await client.create('bench-scale', 1);
  await client.untilRunning(id, 1, performance.now());
  const since = performance.now();
  await client.scale(id, scaleTo);
  const elapsed = await client.untilRunning(id, scaleTo, since);
  await client.remove(id);
  return elapsed;
}
