import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import type { Clock } from '@shoal/runtime';

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

/** Counts processes: which tool, how it ended, how long it took. */
export type CommandObserver = (tool: string, outcome: 'ok' | 'failed', ms: number) => void;

/** The network namespace that stands for the host. */
export interface HostNamespace {
  readonly path: string;
  /** Of any process in it. */
  readonly pid: number;
}

export interface CommandsOptions {
  readonly clock: Clock;
  readonly observe: CommandObserver;
  /** Absent: the one this process runs in. */
  readonly host?: HostNamespace | undefined;
}

/** Sets `/proc/sys` keys of a namespace; those that this kernel does not have are left out. */
const sysctlScript =
  'while [ $# -gt 1 ]; do f="/proc/sys/$1"; [ ! -e "$f" ] || printf %s "$2" > "$f" || exit 1; shift 2; done';

/** The kernel's tools, each call one process: `ip`, `bridge` and what has to run in a namespace. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #kernel: KernelCommands = kernelCommands();

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** A process of the host's namespace, to which interfaces can be given. */
  get hostPid(): number {
    return this.#options.host?.pid ?? process.pid;
  }

  /** Lines of `ip`, in order, up to the first that is refused. Nothing is done for no lines. */
  ip(namespace: string | undefined, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#batch('ip', inside(namespace), lines);
  }

  /** As {@link ip}, but every line is tried. */
  ipEach(namespace: string | undefined, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#batch('ip', [...inside(namespace), '-force'], lines);
  }

  /** Lines of `bridge`, each of them tried. */
  bridgeEach(namespace: string, lines: readonly string[]): Promise<CommandOutcome> {
    return this.#batch('bridge', [...inside(namespace), '-force'], lines);
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

  async #batch(
    tool: 'ip' | 'bridge',
    flags: readonly string[],
    lines: readonly string[],
    namespace?: string,
  ): Promise<CommandOutcome> {
    if (lines.length === 0) return { kind: 'ok', output: '' };
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
