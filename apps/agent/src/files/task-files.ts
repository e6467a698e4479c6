import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskDocument } from '@shoal/proto';
import { errorMessage } from '@shoal/runtime';
import type { FileTarget, Mount, NodeDescription, TaskAssignment } from '@shoal/state';
import { contentOf, type Surroundings } from './content.ts';
import type { MemoryFolder } from './memory-folder.ts';

/** Asks the managers for what a task is given to read. @throws when they cannot be asked or refuse */
export type FetchDocuments = (taskId: string) => Promise<readonly TaskDocument[]>;

export type PreparedFiles =
  /** The assignment, with its files among the mounts. */
  | { readonly kind: 'ready'; readonly assignment: TaskAssignment }
  /** May work later. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'impossible'; readonly message: string };

export interface TaskFilesOptions {
  /** A folder in memory that the engine can mount from; the same each time. */
  readonly folder: () => Promise<MemoryFolder>;
  readonly fetch: FetchDocuments;
}

/** Folders of the container that relative file names are in. */
const relativeTo = { secret: '/run/secrets', config: '/' } as const;
const ownerOnly = 0o700;

/** One file of a task. */
interface TaskFile {
  readonly kind: 'secret' | 'config';
  readonly id: string;
  readonly target: FileTarget;
}

/**
 * Secrets and configs as files of this host's memory, a folder for each task, which its container mounts.
 * They are there from before the container is made until it is removed.
 */
export class TaskFiles {
  readonly #options: TaskFilesOptions;

  constructor(options: TaskFilesOptions) {
    this.#options = options;
  }

  /** Lays out what the task is given, anew each time: a container must not find half a file. */
  async prepare(assignment: TaskAssignment, node: NodeDescription): Promise<PreparedFiles> {
    const files = filesOf(assignment);
    if (files.length === 0) return { kind: 'ready', assignment };
    const { folder, fetch } = this.#options;
    const memory = await folder();
    if (memory.kind === 'none') return { kind: 'impossible', message: memory.message };
    const place = join(memory.path, assignment.taskId);
    let documents: readonly TaskDocument[];
    try {
      documents = await fetch(assignment.taskId);
    } catch (error) {
      return { kind: 'waiting', message: `waits for secrets and configs: ${errorMessage(error)}` };
    }
    try {
      const fault = await layOut(place, files, { assignment, node, documents });
      if (fault !== undefined) return { kind: 'impossible', message: fault };
    } catch (error) {
      const message = `secrets and configs cannot be written: ${errorMessage(error)}`;
      return { kind: 'waiting', message };
    }
    return { kind: 'ready', assignment: mounted(assignment, place, files) };
  }

  /** The container is gone, and nothing reads the files any more. */
  async remove(taskId: string): Promise<void> {
    const memory = await this.#options.folder();
    if (memory.kind === 'none') return;
    const place = join(memory.path, taskId);
    await Promise.all([place, unfinished(place)].map(removeAll));
  }

  /** Removes what belongs to no task of these, who are asked when it is known what there is. */
  async keepOnly(taskIds: Pick<ReadonlySet<string>, 'has'>): Promise<void> {
    const memory = await this.#options.folder();
    if (memory.kind === 'none') return;
    const { path } = memory;
    const strays = (await readdir(path)).filter((name) => !taskIds.has(taskOf(name)));
    await Promise.all(strays.map((name) => removeAll(join(path, name))));
  }
}

const unfinishedEnd = '.new';

/** Largest id of a user or group that the kernel takes for one; the next means nobody. */
const ownerMax = 2 ** 32 - 2;

/** Where files are written before they are all there. */
function unfinished(place: string): string {
  return place + unfinishedEnd;
}

function taskOf(name: string): string {
  return name.endsWith(unfinishedEnd) ? name.slice(0, -unfinishedEnd.length) : name;
}

/** Writes the files, all or none; says what is wrong with their content, if anything. */
async function layOut(
  place: string,
  files: readonly TaskFile[],
  surroundings: Surroundings,
): Promise<string | undefined> {
  const fresh = unfinished(place);
  await removeAll(fresh);
  await mkdir(fresh, { recursive: true, mode: ownerOnly });
  for (const [at, { kind, id, target }] of files.entries()) {
    const document = surroundings.documents.find((one) => one.kind === kind && one.id === id);
    if (document === undefined) return `${kind} ${id} was not given to this node`;
    const [uid, gid] = [numberOf(target.UID), numberOf(target.GID)];
    if (Math.max(uid, gid) > ownerMax)
      return `${kind} ${document.name} cannot belong to ${target.UID}:${target.GID}: ids of users and groups end at ${ownerMax}`;
    const content = contentOf(document, surroundings);
    if (content.kind === 'invalid') return content.message;
    const path = join(fresh, String(at));
    await writeFile(path, content.bytes, { mode: 0o600 });
    await chown(path, uid, gid);
    await chmod(path, target.Mode & 0o7777);
  }
  await removeAll(place);
  await rename(fresh, place);
  return undefined;
}

function mounted(
  assignment: TaskAssignment,
  place: string,
  files: readonly TaskFile[],
): TaskAssignment {
  const { template } = assignment;
  const spec = template.ContainerSpec;
  const mounts = files.map(
    ({ kind, target }, at): Mount => ({
      Type: 'bind',
      Source: join(place, String(at)),
      Target: target.Name.startsWith('/') ? target.Name : join(relativeTo[kind], target.Name),
      ReadOnly: true,
    }),
  );
  const Mounts = [...(spec.Mounts ?? []), ...mounts];
  return { ...assignment, template: { ...template, ContainerSpec: { ...spec, Mounts } } };
}

async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

function filesOf({ template }: TaskAssignment): readonly TaskFile[] {
  const { Secrets = [], Configs = [] } = template.ContainerSpec;
  return [
    ...Secrets.flatMap(({ SecretID: id, File }): TaskFile[] =>
      File === undefined ? [] : [{ kind: 'secret', id, target: File }],
    ),
    ...Configs.flatMap(({ ConfigID: id, File }): TaskFile[] =>
      File === undefined ? [] : [{ kind: 'config', id, target: File }],
    ),
  ];
}

/** Swarm takes what is no number for 0. */
function numberOf(id: string): number {
  return /^\d+$/.test(id) ? Number(id) : 0;
}
