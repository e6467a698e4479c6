import { setTimeout as pause } from 'node:timers/promises';
import { leavesOf } from './json.ts';
import type { Answer, Side } from './side.ts';

/** Where Shoal is meant to answer otherwise than Docker. */
export interface Wanted {
  readonly finding: RegExp;
  readonly why: string;
}

/** What a side chose itself, and what newer engines word otherwise than the one beside us. */
const masks: readonly (readonly [RegExp, string])[] = [
  [/\b[a-z0-9]{25}\b/g, '<id>'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'],
  [/"Index":\d+/g, '"Index":0'],
  [/\b10\.\d+\.\d+\.\d+\b/g, '<address>'],
  [/"PublishedPort":300\d\d/g, '"PublishedPort":0'],
  [/^Invalid filter/, 'invalid filter'],
  [/^invalid JSON: /, ''],
  [/json: cannot unmarshal .*/, 'json: cannot unmarshal'],
];

/** Members that only newer engines have. */
const newerMembers = /NoNewPrivileges|EnableIPv4/;

const allocatedMsMax = 1_000;
const lookEveryMs = 20;
const shownMax = 60;

/** Asks both sides the same, and collects what differs. */
export class Comparison {
  readonly docker: Side;
  readonly shoal: Side;
  readonly #wanted: readonly Wanted[];
  readonly #seen = new Set<Wanted>();
  readonly #findings = new Map<string, string>();
  #asked = 0;

  constructor(docker: Side, shoal: Side, wanted: readonly Wanted[]) {
    this.docker = docker;
    this.shoal = shoal;
    this.#wanted = wanted;
  }

  get sides(): readonly [Side, Side] {
    return [this.docker, this.shoal];
  }

  get asked(): number {
    return this.#asked;
  }

  /** Differences that nobody wants, each with the first request that showed it; told once. */
  takeUnwanted(): readonly string[] {
    const told = [...this.#findings].map(([finding, asked]) => `${finding}\n  ${asked}`);
    this.#findings.clear();
    return told.slice(0, shownMax);
  }

  /** Wanted differences that no request has shown. */
  get unseen(): readonly string[] {
    return this.#wanted.filter((each) => !this.#seen.has(each)).map(({ why }) => why);
  }

  /** Both answers, and whether both sides did it. @param asked the request in words */
  async ask(
    kind: string,
    asked: string,
    of: (side: Side) => Promise<Answer>,
  ): Promise<{ readonly docker: Answer; readonly shoal: Answer; readonly isDone: boolean }> {
    const docker = await of(this.docker);
    const shoal = await of(this.shoal);
    this.#asked += 1;
    const [his, ours] = [told(this.docker, docker), told(this.shoal, shoal)];
    if (his !== ours) this.#note(`${kind}: docker ${his} | shoal ${ours}`, asked);
    return { docker, shoal, isDone: docker.status < 400 && docker.status === shoal.status };
  }

  /** Reads the same of both and compares every member, once what is allocated is there on both. */
  async read(kind: string, asked: string, of: (side: Side) => Promise<unknown>): Promise<void> {
    const end = performance.now() + allocatedMsMax;
    for (;;) {
      const his = leaves(this.docker, await of(this.docker));
      const ours = leaves(this.shoal, await of(this.shoal));
      const findings = [...new Set([...his.keys(), ...ours.keys()])]
        .filter((path) => his.get(path) !== ours.get(path) && !newerMembers.test(path))
        .map((path) => `${kind} ${path}: docker ${his.get(path)} | shoal ${ours.get(path)}`);
      if (findings.every((finding) => this.#isWanted(finding)) || performance.now() > end) {
        for (const finding of findings) this.#note(finding, asked);
        return;
      }
      await pause(lookEveryMs);
    }
  }

  #isWanted(finding: string): boolean {
    return this.#wanted.some((each) => each.finding.test(finding));
  }

  #note(finding: string, asked: string): void {
    const wanted = this.#wanted.find((each) => each.finding.test(finding));
    if (wanted !== undefined) this.#seen.add(wanted);
    else if (!this.#findings.has(finding)) this.#findings.set(finding, asked);
  }
}

/** Of what was done the status alone. */
function told(side: Side, { status, text }: Answer): string {
  const isRefusal = status === 0 || status >= 400;
  return isRefusal ? `${status} ${masked(side, text.trim())}` : String(status);
}

function leaves(side: Side, value: unknown): ReadonlyMap<string, string> {
  return leavesOf(JSON.parse(masked(side, JSON.stringify(value ?? null))));
}

function masked(side: Side, text: string): string {
  return masks.reduce((plain, [from, to]) => plain.replace(from, to), side.unnamed(text));
}
