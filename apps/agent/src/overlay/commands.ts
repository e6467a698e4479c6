import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import type { Clock } from '@shoal/runtime';
import type { BatchLoss, BatchTool } from './batch-process.ts';
import { BatchProcesses } from './batch-processes.ts';

/** A line of a batch that the kernel refused. */
export interface RefusedLine {
  readonly command: string;
  /** The kernel's or the tool's words. */
  readonly message: string;
}

export type CommandOutcome =
  | { readonly kind: 'ok'; readonly output: string }
  | {
      readonly kind: 'failed';
      /** One sentence for people. */
      readonly message: string;
      /** Empty where no single line is to blame. */
      readonly refused: readonly RefusedLine[];
    };

/** Counts what tools were asked: which tool, how it ended, how long it took. */
export type CommandObserver = (tool: string, outcome: 'ok' | 'failed', ms: number) => void;

/** Counts processes that stay: that one began, or was lost with what it had been given. */
export type StayObserver = (tool: BatchTool, event: 'began' | BatchLoss) => void;

/** The network namespace that stands for the host. */
export interface HostNamespace {
  readonly path: string;
  /** Of any process in it. */
  readonly pid: number;
}

export interface CommandsOptions {
  readonly clock: Clock;
  readonly observe: CommandObserver;
  readonly stayed: StayObserver;
  /** Absent: the one this process runs in. */
  readonly host?: HostNamespace | undefined;
}

/** What a line is made of: nothing in it means anything to a tool but the words themselves. */
const plainLine = /^[\w.:/@-]+( [\w.:/@-]+)*$/;

/** Sets `/proc/sys` keys of a namespace; those that this kernel does not have are left out. */
const sysctlScript =
  'while [ $# -gt 1 ]; do f="/proc/sys/$1"; [ ! -e "$f" ] || printf %s "$2" > "$f" || exit 1; shift 2; done';

/**
 * The kernel's tools: `ip`, `bridge` and what has to run in a namespace. What comes often goes to processes
 * that stay; every other call is a process of its own.
 */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #kernel: KernelCommands = kernelCommands();
  readonly #staying: BatchProcesses;

  constructor(options: CommandsOptions) {
    this.#options = options;
    const { clock, stayed } = options;
    this.#staying = new BatchProcesses({
      clock,
      pathOf: namespacePathOf,
      began: (tool) => stayed(tool, 'began'),
      lost: stayed,
    });
  }

  /** A process of the host's namespace, to which interfaces can be given. */
  get hostPid(): number {
    return this.#options.host?.pid ?? process.pid;
  }

  /** Lines of `ip`, in order, up to the first that is refused. Nothing is done for no lines. */
  ip(namespace: string | undefined, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#batch('ip', inside(namespace), lines);
  }

  /** As {@link ip}, but every line is tried, and perhaps tried again. */
  ipEach(namespace: string, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#each('ip', namespace, lines);
  }

  /** Lines of `bridge`, each of them tried, and perhaps tried again. */
  bridgeEach(namespace: string, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#each('bridge', namespace, lines);
  }

  /** There will soon be something to do in the namespace. */
  expect(namespace: string): void {
    this.#staying.warm('ip', namespace);
    this.#staying.warm('bridge', namespace);
  }

  /** Resolves when nothing of ours keeps the namespace any more. */
  leave(namespace: string): Promise<void> {
    return this.#staying.leave(namespace);
  }

  /** Ends what stays. */
  close(): Promise<void> {
    return this.#staying.close();
  }

  /** Lines of `ip` in a namespace that has a path but no name, such as a container's. */
  ipAt(namespacePath: string, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#batch('ip', [], lines, namespacePath);
  }

  /** What `ip -j` or `bridge -j` prints. */
  show(
    tool: 'ip' | 'bridge',
    namespace: string | undefined,
    words: readonly string[],
  ): Promise<CommandOutcome> {
    return this.#run(tool, { program: tool, args: [...inside(namespace), '-j', ...words] });
  }

  /** What `ip -j` prints in a namespace that has a path but no name. */
  showAt(namespacePath: string, words: readonly string[]): Promise<CommandOutcome> {
    return this.#run('ip', { program: 'ip', args: ['-j', ...words], namespace: namespacePath });
  }

  /** `keys` are pairs such as `net/ipv4/ip_forward=1`. */
  sysctl(namespacePath: string | undefined, keys: readonly string[]): Promise<CommandOutcome> {
    const words = keys.flatMap((key) => key.split('='));
    const args = ['-c', sysctlScript, 'sh', ...words];
    return this.#run('sysctl', { program: 'sh', args, namespace: namespacePath });
  }

  /** `wg` in a namespace, with `lines` as its standard input: keys are in none of its words. */
  wireguard(
    namespace: string,
    words: readonly string[],
    lines: readonly string[] = [],
  ): Promise<CommandOutcome> {
    // `wg` opens its input by name, which cannot be done with a socket, as ours is.
    const args = ['-c', 'cat | wg "$@"', 'wg', ...words];
    const path = namespacePathOf(namespace);
    return this.#run('wg', { program: 'sh', args, namespace: path }, lines);
  }

  async #each(
    tool: BatchTool,
    namespace: string,
    lines: readonly string[],
  ): Promise<CommandOutcome> {
    if (lines.length === 0) return { kind: 'ok', output: '' };
    if (!lines.every(isPlain)) return notPlain;
    const { clock, observe } = this.#options;
    const begin = clock.monotonic();
    const outcome = await this.#staying.run(tool, namespace, lines);
    // Why, and whether a tool that does not remember fails as well, one that begins anew has to say.
    if (outcome !== 'done') {
      return this.#batch(tool, [...inside(namespace), '-force'], lines);
    }
    observe(tool, 'ok', clock.monotonic() - begin);
    return { kind: 'ok', output: '' };
  }

  async #batch(
    tool: 'ip' | 'bridge',
    flags: readonly string[],
    lines: readonly string[],
    namespace?: string,
  ): Promise<CommandOutcome> {
    if (lines.length === 0) return { kind: 'ok', output: '' };
    if (!lines.every(isPlain)) return notPlain;
    const args = [...flags, '-batch', '-'];
    return this.#run(tool, { program: tool, args, namespace }, lines);
  }

  async #run(
    tool: string,
    command: Omit<Parameters<KernelCommands['run']>[0], 'input'>,
    lines: readonly string[] = [],
  ): Promise<CommandOutcome> {
    const { clock, observe, host } = this.#options;
    const begin = clock.monotonic();
    const outcome = await this.#kernel.run({
      ...command,
      namespace: command.namespace ?? host?.path,
      input: lines.map((line) => `${line}\n`).join(''),
    });
    const isDone = outcome.kind === 'done';
    observe(tool, isDone ? 'ok' : 'failed', clock.monotonic() - begin);
    if (isDone) return { kind: 'ok', output: outcome.stdout };
    return readFailure(tool, outcome, lines);
  }
}

/** As `ip` finds a namespace by its name. */
export function namespacePathOf(name: string): string {
  return `/run/netns/${name}`;
}

function isPlain(line: string): boolean {
  return plainLine.test(line);
}

const notPlain: CommandOutcome = {
  kind: 'failed',
  message: 'a name or an address has characters that it must not have',
  refused: [],
};

function inside(namespace: string | undefined): readonly string[] {
  return namespace === undefined ? [] : ['-n', namespace];
}

const refusedAt = /^Command failed -:(\d+)$/;

/** What a batch printed as errors names each line after the words that belong to it. */
export function readFailure(
  tool: string,
  { message, stderr }: { readonly message: string; readonly stderr: string },
  lines: readonly string[],
): CommandOutcome & { readonly kind: 'failed' } {
  const refused: RefusedLine[] = [];
  let words: string[] = [];
  for (const text of stderr.split('\n').map((line) => line.trim())) {
    const at = refusedAt.exec(text);
    if (at === null) {
      if (text !== '') words.push(text.replace(/^(RTNETLINK answers|Error): /, ''));
      continue;
    }
    refused.push({ command: lines[Number(at[1]) - 1] ?? '', message: words.join(' ') });
    words = [];
  }
  const [first] = refused;
  if (first === undefined) return { kind: 'failed', message, refused };
  return { kind: 'failed', message: `${first.message} (${tool} ${first.command})`, refused };
}
