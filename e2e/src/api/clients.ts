import { accessSync, constants, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from '../host/command.ts';

/** A docker command line of this computer. */
export interface DockerClient {
  /** As transcripts call it, `28` or `20.10`. */
  readonly name: string;
  readonly path: string;
}

/** Clients that there are transcripts of, and how their versions begin. */
export const knownClients: readonly { readonly name: string; readonly version: string }[] = [
  { name: '28', version: '28.' },
  { name: '20.10', version: '20.10.' },
];

/** The known clients among the docker commands on the path. */
export async function findClients(
  path = process.env['PATH'] ?? '',
): Promise<readonly DockerClient[]> {
  const programs = new Set(
    path.split(delimiter).flatMap((folder) => program(join(folder, 'docker'))),
  );
  const found = await Promise.all(
    [...programs].map(async (candidate) => {
      const { stdout } = await run(candidate, ['--version']);
      const version = /^Docker version ([^,\s]+)/.exec(stdout)?.[1] ?? '';
      const known = knownClients.find((client) => version.startsWith(client.version));
      return known === undefined ? [] : [{ name: known.name, path: candidate }];
    }),
  );
  return found.flat();
}

function program(path: string): readonly string[] {
  try {
    accessSync(path, constants.X_OK);
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

/** A folder under `scratch` in which `docker` is this client; it goes in front of the path. */
export function folderOf(client: DockerClient, scratch: string): string {
  const folder = join(scratch, `docker-${client.name}`);
  mkdirSync(folder, { recursive: true });
  symlinkSync(client.path, join(folder, 'docker'));
  return folder;
}
