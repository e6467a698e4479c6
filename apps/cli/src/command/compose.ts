import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import {
  ComposeError,
  type ComposeRequest,
  loadProject,
  type Project,
  type Surroundings,
} from '../compose/load.ts';
import { type Stack, type StackContext, translateStack } from '../compose/stack.ts';
import { isMap, listOf, mapOf, textOf } from '../compose/yaml-value.ts';
import { CommandError, type Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

/** Where secrets lie for a moment: in memory, where there is such a place. */
const memoryFolder = '/dev/shm';
/** The first of these that is there, and the one that goes over it. */
const usualFiles = [
  ['compose.yaml', 'compose.override.yaml'],
  ['compose.yml', 'compose.override.yml'],
  ['docker-compose.yml', 'docker-compose.override.yml'],
  ['docker-compose.yaml', 'docker-compose.override.yaml'],
] as const;

const surroundings: Surroundings = {
  read: (path) =>
    readFile(path, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }),
  environment: (name) => process.env[name],
  home: homedir(),
};

interface ComposeOptions {
  readonly file: readonly string[];
  readonly envFile: readonly string[];
  readonly profile: readonly string[];
}

/** Reads the files and says them in the words of a stack; what that leaves out is told. @throws CommandError */
async function translated(
  options: ComposeOptions,
  placeOf: StackContext['placeOf'],
  terminal: Terminal,
): Promise<Stack> {
  try {
    const files = await filesOf(options);
    const request: ComposeRequest = { files, envFiles: options.envFile, profiles: options.profile };
    const project = await loadProject(request, surroundings);
    for (const name of project.missing) terminal.say(`variable ${name} is not set: it is empty`);
    const texts = await envTexts(project);
    const stack = translateStack(project, { envFile: (path) => texts.get(path), placeOf });
    for (const note of stack.notes) terminal.say(note);
    return stack;
  } catch (error) {
    if (error instanceof ComposeError) throw new CommandError(error.message);
    throw error;
  }
}

async function filesOf({ file }: ComposeOptions): Promise<readonly string[]> {
  if (file.length > 0) return file;
  const named = (process.env['COMPOSE_FILE'] ?? '').split(':').filter(Boolean);
  if (named.length > 0) return named;
  for (const [main, over] of usualFiles) {
    if ((await surroundings.read(main)) === undefined) continue;
    return (await surroundings.read(over)) === undefined ? [main] : [main, over];
  }
  throw new CommandError('there is no compose.yaml here: name the file with --file');
}

/** What the services' `env_file` say, by path. */
async function envTexts({ content }: Project): Promise<ReadonlyMap<string, string>> {
  const paths = Object.values(mapOf(content['services'])).flatMap((service) =>
    listOf(mapOf(service)['env_file']).map((one) => textOf(isMap(one) ? one['path'] : one)),
  );
  const texts = new Map<string, string>();
  for (const path of new Set(paths)) {
    const text = await surroundings.read(path);
    if (text !== undefined) texts.set(path, text);
  }
  return texts;
}

/** Every text in quotes: readers of older YAML take `on` and `1:20` for something else. */
function yamlOf({ content }: Stack): string {
  return stringify(content, {
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    aliasDuplicateObjects: false,
    lineWidth: 0,
  });
}

/** Deploys what today's Compose files say as a stack, through the docker command; gives its exit code. @throws CommandError */
async function composeDeploy(
  stackName: string,
  flags: readonly string[],
  options: ComposeOptions & { readonly socket: string },
  terminal: Terminal,
): Promise<number> {
  const inMemory = await mkdtemp(join(memoryFolder, 'shoal-compose-')).catch(() => undefined);
  const folder = inMemory ?? (await mkdtemp(join(tmpdir(), 'shoal-compose-')));
  try {
    await chmod(folder, 0o700);
    const stack = await translated(
      options,
      (kind, name) => join(folder, `${kind}.${name}`),
      terminal,
    );
    for (const [path, text] of stack.inline) await writeFile(path, text, { mode: 0o600 });
    const args = ['--host', `unix://${options.socket}`, 'stack', 'deploy', '--compose-file', '-'];
    return await docker([...args, ...flags, stackName], yamlOf(stack));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function docker(args: readonly string[], input: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', args, { stdio: ['pipe', 'inherit', 'inherit'] });
    child.on('error', ({ message }) =>
      reject(new CommandError(`docker cannot be run: ${message}`)),
    );
    child.on('close', (code) => resolve(code ?? 1));
    // Who refuses the flags does not read the file.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Prints the stack that the files make. @throws CommandError */
async function composeConfig(options: ComposeOptions, terminal: Terminal): Promise<void> {
  const placeOf = (kind: string, name: string): string => `/the/text/of/${kind}/${name}`;
  terminal.print(yamlOf(await translated(options, placeOf, terminal)));
}

/** Adds `compose deploy` and `compose config`; `exit` is given the exit code of docker. */
export function addComposeCommands(
  shoal: Command,
  terminal: Terminal,
  exit: (code: number) => void,
): void {
  const compose = shoal
    .command('compose')
    .description('deploy what today’s Compose files say, as a stack');
  const withFiles = (command: Command): Command =>
    command
      .option('-f, --file <path>', 'a file; more than one are merged', gathered, [])
      .option('--env-file <path>', 'variables, instead of .env', gathered, [])
      .option('--profile <name>', 'services of this profile too', gathered, []);
  withFiles(compose.command('deploy'))
    .description('deploy the stack; flags of docker stack deploy come after --')
    .argument('<stack>')
    .argument('[flags...]', 'such as -- --prune --detach=false')
    .addOption(socketOption())
    .action(async (stack: string, flags: string[], options: ComposeOptions & { socket: string }) =>
      exit(await composeDeploy(stack, flags, options, terminal)),
    );
  withFiles(compose.command('config'))
    .description('print the stack file that they make')
    .action((options: ComposeOptions) => composeConfig(options, terminal));
}

function gathered(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
