import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where recorded traffic and Docker's own descriptions of its API are, when they are anywhere. */
export const contractsDir =
  process.env['SHOAL_CONTRACTS'] ??
  fileURLToPath(new URL('../../../../../shared/contracts', import.meta.url));

export interface RecordedBody {
  readonly json?: unknown;
  readonly ndjson?: readonly unknown[];
  readonly text?: string;
  readonly base64?: string;
}

/** One request of the docker client and what a real engine answered. */
export interface Exchange {
  /** Counts all requests of the session; those that are held back leave gaps. */
  readonly n: number;
  /** Which of the three hosts. */
  readonly engine: HostName;
  /** The command it belongs to. */
  readonly step: string;
  readonly t: string;
  readonly upgraded?: boolean;
  readonly req: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: RecordedBody;
  };
  readonly res: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: RecordedBody;
    readonly aborted?: boolean;
  };
}

export const hostNames = ['n1', 'n2', 'n3'] as const;
export type HostName = (typeof hostNames)[number];

export type RecordingName = 'http-1.41' | 'http-1.50';

export function isRecorded(name: RecordingName): boolean {
  const isThere = existsSync(pathOf(name));
  if (!isThere) console.warn(`no recordings at ${pathOf(name)}: their tests are skipped`);
  return isThere;
}

/** In the order in which the requests began. */
export function readRecording(name: RecordingName): readonly Exchange[] {
  return readFileSync(pathOf(name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Exchange)
    .sort((a, b) => a.n - b.n);
}

function pathOf(name: RecordingName): string {
  return `${contractsDir}/recordings/${name}.jsonl`;
}

/** The path without its version. */
export function unversioned(path: string): string {
  return path.replace(/^\/v[\d.]+(?=\/)/, '');
}
