import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '@shoal/runtime';
import { type CommandResult, run } from '../host/command.ts';
import { eventually } from '../host/wait.ts';
import { deadlineMs } from '../scheduling/services.ts';
import { type DockerClient, folderOf } from './clients.ts';
import { Placeholders } from './placeholders.ts';
import type { Answer, Command, Step, Wait } from './transcript.ts';

/** No command of a transcript takes longer. */
const commandMsMax = 45_000;

/** Who is spoken to by the name of a machine. */
export interface Stage {
  /** Socket by machine. */
  readonly sockets: ReadonlyMap<string, string>;
  readonly client: DockerClient;
}

/** A command and what it answered now. */
export interface Played {
  readonly command: Command;
  readonly answer: Answer;
}

/**
 * Gives all commands of a transcript, in their order, by a shell in which `docker` is the client and
 * DOCKER_HOST the machine; $M1, $W1 are the other machines' sockets, $SCRATCH is a folder to keep files.
 */
export async function play(
  { sockets, client }: Stage,
  steps: readonly Step[],
): Promise<readonly Played[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-transcript-'));
  const placeholders = new Placeholders();
  const files = join(scratch, 'files');
  mkdirSync(files);
  const others = [...sockets].map(([name, path]) => [name.toUpperCase(), `unix://${path}`]);
  const env = {
    ...Object.fromEntries(others),
    PATH: `${folderOf(client, scratch)}:${process.env['PATH'] ?? ''}`,
    // Neither plugins nor credentials of whoever runs the tests.
    HOME: scratch,
    DOCKER_CONFIG: join(scratch, 'config'),
    DOCKER_CLI_HINTS: 'false',
    DOCKER_BUILDKIT: '0',
    SCRATCH: files,
    LC_ALL: 'C',
  };
  const shell = ({ machine, script }: Command | Wait): Promise<CommandResult> => {
    const socket = sockets.get(machine);
    if (socket === undefined) throw new Error(`there is no machine ${machine}`);
    const options = { timeoutMs: commandMsMax };
    return run('sh', ['-c', script], {
      ...options,
      env: { ...env, DOCKER_HOST: `unix://${socket}` },
    });
  };
  const played: Played[] = [];
  try {
    for (const step of steps) {
      if (step.kind === 'comment') continue;
      if (step.kind === 'wait') {
        await waitFor(step, shell);
        continue;
      }
      const { code, stdout, stderr } = await shell(step);
      const answer = { code, stdout: placeholders.text(stdout), stderr: placeholders.text(stderr) };
      played.push({ command: step, answer });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return played;
}

/** What a wait that was in vain may have waited for. */
const standing = `
for id in $(docker service ls --quiet); do
  docker service inspect --format '{{.Spec.Name}}: {{json .UpdateStatus}}' "$id"
  docker service ps --no-trunc "$id"
done`;

async function waitFor(step: Wait, ask: (step: Wait) => Promise<CommandResult>): Promise<void> {
  try {
    await eventually(
      `${step.machine}? ${step.script} shows ${step.lines.join(', ')}`,
      async () => {
        const { stdout, stderr } = await ask(step);
        const shown = new Set(new Placeholders().text(stdout).split('\n'));
        if (step.lines.every((line) => shown.has(line))) return true;
        throw new Error(`${stdout}${stderr}`);
      },
      deadlineMs,
    );
  } catch (cause) {
    const { stdout, stderr } = await ask({ ...step, script: standing });
    throw new Error(`${errorMessage(cause)}\n${stdout}${stderr}`, { cause });
  }
}
