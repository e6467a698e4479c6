import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  copyIdentity,
  type Identity,
  type IdentityState,
  identityDirectory,
  loadIdentity,
} from '@shoal/pki';
import { CorruptStorageError, fileSystem } from '@shoal/raft';
import { auditDirectory } from '@shoal/raft/audit';
import { type CopiedState, copyLog, logDirectory, readLog } from '@shoal/raft/backup';
import { errorMessage, pause, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { replaceFile, syncDirectory } from '@shoal/runtime/durable-file';
import { StateFormatError } from '@shoal/state';
import type { Command } from 'commander';
import { z } from 'zod';
import { pack, standard, unpack } from '../host/archive.ts';
import { defaultRunDir } from '../host/config.ts';
import { askApi } from '../host/docker-socket.ts';
import { supervisorPidFile } from '../host/layout.ts';
import { livingSupervisor } from '../supervisor/pid-file.ts';
import { CommandError, type Terminal } from '../terminal.ts';
import { nameInSeries, seriesAt, trimSeries } from './backup-series.ts';
import { socketOption } from './socket-option.ts';

const labelName = 'backup.json';
const members = [labelName, 'swarm'] as const;
/** Copies that are begun anew because the log was compacted meanwhile, or had not yet what was asked for. */
const attemptsMax = 20;
const attemptPauseMs = 250;
/** Working folders of calls that were killed are removed after this, milliseconds. */
const leftoverMs = 3_600_000;
const workPrefix = '.backup-';

/** What a backup says of itself, beside the files. */
const label = z.object({
  schema: z.literal(1),
  version: z.string(),
  clusterId: z.string().min(1),
  nodeId: z.string().min(1),
  /** Of the newest entry of the log. */
  logIndex: z.int().nonnegative(),
  /** When that was made, milliseconds since 1970. */
  time: z.int().nonnegative(),
  /** Whether its keys open with the unlock key alone. */
  locked: z.boolean(),
  summary: z.string(),
});
type Label = z.output<typeof label>;

const statusShape = z.object({
  logIndex: z.int(),
  managers: z.object({ quorum: z.boolean(), total: z.int(), reachable: z.int() }),
});

export interface BackupRequest {
  readonly dataDir: string;
  readonly socket: string;
  /** Where to: a new file, a folder of backups, or {@link standard} for standard output. */
  readonly file: string;
  /** How many backups of the swarm stay in the folder. */
  readonly keep?: string | undefined;
  readonly version: string;
}

export interface RestoreRequest {
  readonly dataDir: string;
  readonly runDir: string;
  readonly file: string;
}

/**
 * Copies all that a manager cannot get back while it goes on, and reads the copy as a manager would that begins with
 * it. All that the swarm had acknowledged before is in it.
 * @throws CommandError
 */
export async function backup(request: BackupRequest, terminal: Terminal): Promise<void> {
  const { dataDir } = request;
  const series = await seriesAt(request.file, request.keep);
  const { clusterId } = managerIn(await loadIdentity(dataDir), dataDir);
  const file =
    series === undefined
      ? request.file
      : join(series.directory, nameInSeries(clusterId, systemClock.now()));
  if (file !== standard && (await exists(file)))
    throw new CommandError(`${file} is there already: name a new file, or remove that one`);
  const wanted = await acknowledged(request.socket, terminal);
  await withWorkFolder(dataDir, async (work) => {
    const { copied, locked, ...whose } = await copyUntilWhole(dataDir, work, wanted);
    const { index: logIndex, time } = copied;
    const summary = summaryOf(copied);
    const told: Label = {
      ...{ schema: 1, version: request.version, ...whose },
      ...{ logIndex, time, locked, summary },
    };
    await replaceFile(join(work, labelName), `${JSON.stringify(told, undefined, 2)}\n`, 0o600);
    await pack(work, members, file);
    terminal.say(`${describe(told)}; the copy was read whole`);
    terminal.say(
      locked
        ? 'it opens with the unlock key (docker swarm unlock-key), which is not in it'
        : 'who can read it has the keys and secrets of the swarm',
    );
    if (series !== undefined) {
      terminal.print(file);
      await trimSeries(series, clusterId, terminal);
    }
  });
}

/** Puts a backup where a manager finds it. @throws CommandError */
export async function restore(request: RestoreRequest, terminal: Terminal): Promise<void> {
  const { dataDir, runDir, file } = request;
  const supervisor = livingSupervisor(supervisorPidFile(runDir));
  if (supervisor !== undefined)
    throw new CommandError(`this host is up (pid ${supervisor}): ./shoal down first`);
  const present = await loadIdentity(dataDir);
  if (present.kind !== 'none')
    throw new CommandError(
      `${dataDir} belongs to a swarm already: docker swarm leave --force first, or name another --data-dir`,
    );
  if (await exists(logDirectory(dataDir)))
    throw new CommandError(
      `${logDirectory(dataDir)} holds a log: move it away, if nobody needs it`,
    );
  await withWorkFolder(dataDir, async (work) => {
    await unpack(file, work, members);
    await refuseOddFiles(work, file);
    const told = await readLabel(work);
    const identity = await loadIdentity(work);
    if (identity.kind === 'none' || identity.kind === 'broken')
      throw new CommandError(
        `${file} is damaged: ${identity.kind === 'broken' ? identity.reason : 'it has no identity'}`,
      );
    if (identity.kind === 'complete') await readWhole(work, identity.identity.logKeys, file);
    const audit = auditDirectory(dataDir, told.clusterId);
    // It would be taken to be ahead of the log, and what comes now would not be noted.
    if (await exists(audit))
      throw new CommandError(
        `${audit} tells of what happened after the backup: move it away, and keep it`,
      );
    await rm(identityDirectory(dataDir), { recursive: true, force: true });
    await rename(identityDirectory(work), identityDirectory(dataDir));
    await syncDirectory(dataDir);
    terminal.say(`${describe(told)}; restored to ${dataDir}`);
    terminal.say('next, and only if all managers of it are lost:');
    const steps = [
      './shoal up',
      ...(told.locked ? ['docker swarm unlock'] : []),
      'docker swarm init --force-new-cluster --advertise-addr <an address of this host>',
    ];
    for (const step of steps) terminal.say(`  ${step}`);
  });
}

/**
 * Index up to which the swarm has acknowledged what was asked of it. Without managers that agree there is none, and
 * what lies here is all there is.
 */
async function acknowledged(socket: string, terminal: Terminal): Promise<number> {
  try {
    const { logIndex, managers } = statusShape.parse(
      await askApi(socket, 'GET', '/shoal/v1/status'),
    );
    if (managers.quorum) return logIndex;
    const { reachable, total } = managers;
    terminal.say(
      `only ${reachable} of ${total} managers can be reached: newer changes may be missing`,
    );
  } catch (error) {
    terminal.say(`newer changes may be missing: ${errorMessage(error)}`);
  }
  return 0;
}

interface Copied {
  readonly copied: CopiedState;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly locked: boolean;
}

/** The log is compacted, keys are renewed, and a follower learns late: until none of it came in between. */
async function copyUntilWhole(dataDir: string, work: string, wanted: number): Promise<Copied> {
  let why = 'the log changed all the time';
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const outcome = await copyOnce(dataDir, work);
    if (typeof outcome === 'string') why = outcome;
    else if (outcome.copied.index >= wanted) return outcome;
    else why = `this host has the log up to ${outcome.copied.index}, the swarm up to ${wanted}`;
    await rm(identityDirectory(work), { recursive: true, force: true });
    await pause(systemClock, attemptPauseMs);
  }
  throw new CommandError(`no whole copy was to be had: ${why}`);
}

/** A copy that was read, or why this one does not do. @throws CommandError when none would */
async function copyOnce(dataDir: string, work: string): Promise<Copied | string> {
  const identity = managerIn(await copyIdentity(dataDir, work), dataDir);
  const { clusterId, nodeId, logKeys } = identity;
  if ((await copyLog(fileSystem, logDirectory(dataDir), logDirectory(work))) === 'changed')
    return 'the log was compacted all the time';
  try {
    const copied = await readCopy(work, logKeys);
    // Without its unlock key, the copy shows whether it needs one.
    const locked = (await loadIdentity(work)).kind === 'locked';
    return { copied, clusterId, nodeId, locked };
  } catch (error) {
    if (error instanceof CorruptStorageError) return error.message;
    throw error;
  }
}

/** @throws CommandError where there is nothing to back up, or nobody could read it. */
function managerIn(state: IdentityState, dataDir: string): Identity {
  switch (state.kind) {
    case 'none':
      throw new CommandError(`${dataDir} belongs to no swarm; is it the --data-dir of this host?`);
    case 'broken':
      throw new CommandError(`the identity is broken: ${state.reason}`);
    case 'locked':
      throw new CommandError('the keys of this host are locked: docker swarm unlock first');
    case 'complete':
      if (state.identity.role === 'manager') return state.identity;
      throw new CommandError('this host is a worker, which has nothing to back up: ask a manager');
  }
}

type LogKeys = Parameters<typeof readLog>[0]['keys'];

function readCopy(work: string, keys: LogKeys): Promise<CopiedState> {
  const parts = { disk: fileSystem, random: systemRandom, logger: silentLogger };
  return readLog({ ...parts, directory: logDirectory(work), keys });
}

/** @throws CommandError saying what is wrong with the backup. */
async function readWhole(work: string, keys: LogKeys, file: string): Promise<void> {
  try {
    await readCopy(work, keys);
  } catch (error) {
    if (error instanceof CorruptStorageError || error instanceof StateFormatError)
      throw new CommandError(`${file} is damaged: ${error.message}`);
    throw error;
  }
}

/** Counts of what people know. */
function summaryOf({ view }: CopiedState): string {
  // What each node has of its own, such as `bridge`, is not what people made.
  const networks = [...view.networks.values()].filter(({ spec }) => !spec.Predefined).length;
  const counts = [
    ['node', view.nodes],
    ['service', view.services],
    ['task', view.tasks],
    ['network', { size: networks }],
    ['secret', view.secrets],
    ['config', view.configs],
  ] as const;
  return counts.map(([name, { size }]) => `${size} ${name}${size === 1 ? '' : 's'}`).join(', ');
}

function describe({ clusterId, logIndex, time, summary }: Label): string {
  const when = time === 0 ? '' : ` of ${new Date(time).toISOString()}`;
  return `swarm ${clusterId} at index ${logIndex}${when}: ${summary}`;
}

/** Links and devices are no part of a backup: what reads or moves them would touch something else. */
async function refuseOddFiles(work: string, file: string): Promise<void> {
  for (const entry of await readdir(work, { recursive: true, withFileTypes: true }))
    if (!entry.isFile() && !entry.isDirectory())
      throw new CommandError(`${file} is no backup: ${entry.name} in it is no plain file`);
}

async function readLabel(work: string): Promise<Label> {
  try {
    return label.parse(JSON.parse(await readFile(join(work, labelName), 'utf8')));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error);
    throw new CommandError(`this is no backup that this version can read: ${why}`);
  }
}

/** A folder that only root reads, beside what is copied, for as long as `use` takes. */
async function withWorkFolder(
  dataDir: string,
  use: (work: string) => Promise<void>,
): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(workPrefix)) continue;
    const { mtimeMs } = await stat(join(dataDir, name));
    if (systemClock.now() - mtimeMs > leftoverMs)
      await rm(join(dataDir, name), { recursive: true, force: true });
  }
  const work = await mkdtemp(join(dataDir, workPrefix));
  try {
    await use(work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Adds `backup` and `restore`. */
export function addBackupCommands(shoal: Command, version: string, terminal: Terminal): void {
  const dataDirFlag = ['--data-dir <path>', 'where state and logs are kept'] as const;
  shoal
    .command('backup')
    .description('copy what a manager cannot get back, while it runs; - is standard output')
    .argument('<file or folder>')
    .option('--keep <count>', 'in a folder: remove older backups of this swarm, but the newest')
    .addOption(
      shoal
        .createOption(...dataDirFlag)
        .env('SHOAL_DATA_DIR')
        .default('/var/lib/shoal'),
    )
    .addOption(socketOption())
    .action((file: string, options: { dataDir: string; socket: string; keep?: string }) =>
      backup({ ...options, file, version }, terminal),
    );
  shoal
    .command('restore')
    .description('put a backup where a manager finds it, when all managers are lost')
    .argument('<file>')
    .addOption(
      shoal
        .createOption(...dataDirFlag)
        .env('SHOAL_DATA_DIR')
        .default('/var/lib/shoal'),
    )
    .addOption(
      shoal
        .createOption('--run-dir <path>', 'where sockets and pid files are')
        .env('SHOAL_RUN_DIR')
        .default(defaultRunDir),
    )
    .action((file: string, options: { dataDir: string; runDir: string }) =>
      restore({ ...options, file }, terminal),
    );
}
