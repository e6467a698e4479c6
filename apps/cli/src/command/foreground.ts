import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { nodeEnvironment, nodeFlags } from '@shoal/runtime/process';
import { processNames, programOf } from '../host/plan.ts';
import { CommandError } from '../terminal.ts';

/** Runs a program in our place: its output is ours, our signals are its, its code is the result. */
function inPlace(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: 'inherit',
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    });
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      // The terminal sends Ctrl-C to both of us; the child decides what it means.
      process.on(
        name,
        () => void (name === 'SIGINT' && process.stdin.isTTY ? 0 : child.kill(name)),
      );
    }
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

/** One process of the host alone. */
export function runOne(root: string, name: string, flags: readonly string[]): Promise<number> {
  const known = processNames.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new CommandError(`there is no process ${name}; there are ${processNames.join(', ')}`, 2);
  }
  const args = [...nodeFlags(known), programOf(root, known), ...flags];
  return inPlace(process.execPath, args, { env: nodeEnvironment });
}

/** A benchmark by its folder's name. */
export function bench(root: string, name: string, flags: readonly string[]): Promise<number> {
  const main = join(root, 'bench/src', name, 'main.ts');
  if (!/^[a-z0-9-]+$/.test(name) || !existsSync(main)) {
    throw new CommandError(`there is no benchmark ${name} in bench/src`, 2);
  }
  return inPlace(process.execPath, ['--conditions=@shoal/source', main, ...flags], { cwd: root });
}

/** Simulated clusters under faults, for some seeds or hours. */
export function simulate(root: string, flags: readonly string[]): Promise<number> {
  const main = join(root, 'e2e/src/simulation/main.ts');
  return inPlace(process.execPath, ['--conditions=@shoal/source', main, ...flags], { cwd: root });
}

/** Makes the images of our processes on a Docker Engine; the default one when none is named. */
export function images(root: string, engine: string | undefined): Promise<number> {
  return inPlace(join(root, 'images/shoal.sh'), engine === undefined ? [] : [engine]);
}
