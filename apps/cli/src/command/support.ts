import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errorMessage, systemClock } from '@shoal/runtime';
import { type Command, Option } from 'commander';
import { pack } from '../host/archive.ts';
import { defaultDataDir, defaultEngine, defaultRunDir } from '../host/config.ts';
import { type Part, type SupportOptions, supportParts } from '../support/parts.ts';
import { redacted } from '../support/redaction.ts';
import { CommandError, type Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

/** No part may hold up the others for longer, milliseconds. */
const partMsMax = 60_000;
const contentsName = 'contents.txt';

/**
 * Writes an archive of all that tells how this host and the swarm stand, for who is to help. What cannot be had is
 * said in it; a host that is down, or no manager, has less to tell.
 * @throws CommandError when the archive cannot be written.
 */
export async function support(
  request: SupportOptions & { readonly output: string | undefined },
  terminal: Terminal,
): Promise<void> {
  const name = `shoal-support-${hostname()}-${stamp()}`;
  const file = request.output ?? `${name}.tar.gz`;
  if (await exists(file))
    throw new CommandError(`${file} is there already: name a new file, or remove that one`);
  const work = await mkdtemp(join(tmpdir(), 'shoal-support-'));
  try {
    const parts = await supportParts(request);
    const contents = await Promise.all(parts.map((part) => written(join(work, name), part)));
    await writeFile(join(work, name, contentsName), `${contents.join('\n')}\n`);
    await pack(work, [name], file);
    const missing = contents.filter((line) => line.includes(': ')).length;
    const lack = missing === 0 ? '' : `; ${missing} could not be had, ${contentsName} says why`;
    terminal.say(`${parts.length - missing} files${lack}`);
    terminal.say(
      'it has names of nodes, services and images, addresses, metrics and logs, and none of the secrets, arguments and environments; look through it before you give it away',
    );
    terminal.print(file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The line of the table of contents: the file with its size, or why there is none. */
async function written(folder: string, { path, gather }: Part): Promise<string> {
  try {
    const text = redacted(await inTime(gather()));
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return `${path} ${Buffer.byteLength(text)}`;
  } catch (error) {
    return redacted(`${path}: ${errorMessage(error)}`).replaceAll('\n', ' ');
  }
}

async function inTime(gathered: Promise<string>): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = systemClock.after(partMsMax, () =>
    late.reject(new CommandError(`not there within ${partMsMax / 1_000} seconds`)),
  );
  try {
    return await Promise.race([gathered, late.promise]);
  } finally {
    timer.cancel();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function stamp(): string {
  return new Date(systemClock.now()).toISOString().replace(/[-:]|\.\d+/g, '');
}

export function addSupportCommand(shoal: Command, version: string, terminal: Terminal): void {
  shoal
    .command('support')
    .description('write an archive that tells who is to help how this host and the swarm stand')
    .option('--output <file>', 'a new file (default: shoal-support-<host>-<time>.tar.gz here)')
    .addOption(
      new Option('--data-dir <path>', 'where state and logs are kept')
        .env('SHOAL_DATA_DIR')
        .default(defaultDataDir),
    )
    .addOption(
      new Option('--run-dir <path>', 'where sockets and pid files are')
        .env('SHOAL_RUN_DIR')
        .default(defaultRunDir),
    )
    .addOption(
      new Option('--engine <url>', 'the Docker Engine').env('SHOAL_ENGINE').default(defaultEngine),
    )
    .addOption(socketOption())
    .action((options: Omit<SupportOptions, 'version'> & { readonly output?: string }) =>
      support({ output: undefined, ...options, version }, terminal),
    );
}
