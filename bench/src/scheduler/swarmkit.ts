import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const directory = '/var/cache/shoal-bench/swarmkit';
const script = join(import.meta.dirname, 'build-swarmkit.sh');
/** Its slowest shape takes four minutes where the machine is slow. */
const runMsMax = 900_000;

const run = promisify(execFile);

/** SwarmKit's own benchmark of its scheduler, on this machine. */
export interface Swarmkit {
  /**
   * Seconds of one run of one of its benchmarks, for example `Scheduler1kNodes1kTasks`.
   * @throws Error when the program fails.
   */
  secondsOf(benchmark: string): Promise<number>;
}

/** Builds it, which takes a minute and root the first time; undefined where that cannot be done. */
export function swarmkitOrNone(say: (line: string) => void): Swarmkit | undefined {
  const built = spawnSync(script, [directory], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (built.status !== 0) {
    const reason = (built.error?.message ?? built.stderr).trim().split('\n').at(-1) ?? '';
    say(`SwarmKit's benchmark cannot be built here, figures of another day stand in: ${reason}`);
    return undefined;
  }
  return { secondsOf };
}

async function secondsOf(benchmark: string): Promise<number> {
  const args = ['-test.run=^$', `-test.bench=^Benchmark${benchmark}$`];
  const program = join(directory, 'scheduler.test');
  const { stdout } = await run(program, args, { timeout: runMsMax, cwd: directory });
  const nanoseconds = /^Benchmark\S+\s+\d+\s+([\d.]+) ns\/op/m.exec(stdout)?.[1];
  if (nanoseconds === undefined) throw new Error(`no figure of ${benchmark} in: ${stdout}`);
  return Number(nanoseconds) / 1e9;
}
