/** Tells a person what goes on. Lines go to standard error, results to standard output. */
export interface Terminal {
  /** A step that begins, or a fact. */
  say(line: string): void;
  /** A result. */
  print(text: string): void;
}

export const terminal: Terminal = {
  say: (line) => void process.stderr.write(`shoal: ${line}\n`),
  print: (text) => void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`),
};

/** A failure that one sentence explains; the command ends with it and the code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A table as docker prints it: columns padded to their widest cell, three spaces between. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('   ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
