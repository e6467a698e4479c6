/**
 * Transcripts are text files of commands with what they answered:
 *
 *     # A comment.
 *     m1$ docker service ls            a command on a machine; lines that begin with `> ` go on with it
 *     | ID  NAME                       standard output
 *     ! Error response from daemon: …  standard error
 *     = 1                              exit code, unless it is 0
 *     @ 20.10                          what follows is the answer of that client, where it is another one
 *     m1? docker service ls            asked again until its output has all lines that follow
 *     | 2/2
 */

/** What a command answered. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Command {
  readonly kind: 'command';
  readonly machine: string;
  readonly script: string;
  /** By client; what has none of its own answers like the newest. */
  readonly answers: ReadonlyMap<string, Answer>;
}

export interface Wait {
  readonly kind: 'wait';
  readonly machine: string;
  readonly script: string;
  readonly lines: readonly string[];
}

export interface Comment {
  readonly kind: 'comment';
  readonly text: string;
}

export type Step = Command | Wait | Comment;

/** Whose answers have no heading in the files. */
export const newestClient = '28';

/** Answer of a client, which may be the one of the newest. */
export function answerOf(command: Command, client: string): Answer | undefined {
  return command.answers.get(client) ?? command.answers.get(newestClient);
}

/** @throws Error with the line's number when a line is none of a transcript. */
export function parseTranscript(text: string): readonly Step[] {
  const steps: Step[] = [];
  const lines = text.split('\n');
  let at = 0;
  const take = (prefix: string): string[] => {
    const taken: string[] = [];
    for (; at < lines.length; at += 1) {
      const line = lines[at] ?? '';
      if (line !== prefix && !line.startsWith(`${prefix} `)) break;
      taken.push(line.slice(prefix.length + 1));
    }
    return taken;
  };
  const answer = (): Answer => {
    const stdout = take('|');
    const stderr = take('!');
    const [code = '0'] = take('=');
    return { code: Number(code), stdout: joined(stdout), stderr: joined(stderr) };
  };
  while (at < lines.length) {
    const line = lines[at] ?? '';
    at += 1;
    if (line === '') continue;
    if (line.startsWith('#')) {
      steps.push({ kind: 'comment', text: line });
      continue;
    }
    const [, machine, mark, first] = /^([a-z]\d)([$?]) (.+)$/.exec(line) ?? [];
    if (machine === undefined || first === undefined)
      throw new Error(`line ${at} is none of a transcript: ${line}`);
    const script = [first, ...take('>')].join('\n');
    if (mark === '?') {
      steps.push({ kind: 'wait', machine, script, lines: take('|') });
      continue;
    }
    const answers = new Map([[newestClient, answer()]]);
    while (lines[at]?.startsWith('@ ') === true) {
      const client = (lines[at] ?? '').slice('@ '.length);
      at += 1;
      answers.set(client, answer());
    }
    steps.push({ kind: 'command', machine, script, answers });
  }
  return steps;
}

/** The text of a file, with the answers that other clients give otherwise. */
export function renderTranscript(steps: readonly Step[]): string {
  return `${steps.map((step) => renderStep(step)).join('\n')}\n`;
}

function renderStep(step: Step): string {
  if (step.kind === 'comment') return step.text;
  const [first = '', ...more] = step.script.split('\n');
  const continued = more.map((line) => `\n${prefixed('>', line)}`).join('');
  if (step.kind === 'wait') {
    const wanted = step.lines.map((line) => prefixed('|', line)).join('\n');
    return `${step.machine}? ${first}${continued}\n${wanted}`;
  }
  const newest = step.answers.get(newestClient);
  const main = newest === undefined ? '' : renderAnswer(newest);
  const others = [...step.answers]
    .filter(([client]) => client !== newestClient)
    .map(([client, answer]) => ({ client, text: renderAnswer(answer) }))
    .filter(({ text }) => text !== main)
    .map(({ client, text }) => `\n@ ${client}${text}`);
  return `${step.machine}$ ${first}${continued}${main}${others.join('')}`;
}

/** Lines of an answer, each after a line break. */
function renderAnswer({ code, stdout, stderr }: Answer): string {
  return [
    ...linesOf(stdout).map((line) => prefixed('|', line)),
    ...linesOf(stderr).map((line) => prefixed('!', line)),
    ...(code === 0 ? [] : [`= ${code}`]),
  ]
    .map((line) => `\n${line}`)
    .join('');
}

function prefixed(prefix: string, line: string): string {
  return line === '' ? prefix : `${prefix} ${line}`;
}

function linesOf(text: string): readonly string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
