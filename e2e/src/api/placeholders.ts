/** An id of the swarm has 25 characters, one of the engine 64; both are shown by their first 12. */
const shownLength = 12;

const ago =
  /\b(?:Less than a second|About an? (?:second|minute|hour)|\d+ (?:second|minute|hour|day|week|month|year)s?) ago\b/gi;
const upFor =
  /\bUp (?:Less than a second|About an? (?:second|minute|hour)|\d+ (?:second|minute|hour|day)s?)/g;

/** What differs from run to run or from computer to computer, and what is written for it. */
const fixed: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----(?:\\n)?/g, '<certificate>'],
  [/SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}/g, '<token>'],
  [/SWMKEY-1-[A-Za-z0-9+/]{43}/g, '<key>'],
  [/(Issuer (?:Subject|Public Key):\s+)\S+/g, '$1<base64>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000 (?:utc|UTC)/g, '<time>'],
  [ago, '<ago>'],
  [upFor, 'Up <while>'],
  [/sha256:[0-9a-f]{64}/g, '<digest>'],
  [/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>'],
  [/\b(?:10\.0|172\.\d+)\.\d+\.\d+\b/g, '<address>'],
  [/("Index": )\d+/g, '$1<index>'],
  [/(vxlanid_list": )"\d+"/g, '$1<number>'],
  [/\b\d+(?:\.\d+)?(?:GiB|GB|MB)\b/g, '<size>'],
  [/^(\s*CPUs:\s+)\d+$/gm, '$1<count>'],
  [/(?<![\d.])(?:20\.10|2\d\.\d+)\.\d+(?:\+dfsg\d*)?(?![\d.])/g, '<version>'],
];

const longId = /\b(?:[0-9a-f]{64}|[0-9a-z]{25})\b/;
/** In tables the id is the first column; with --quiet it is the line. */
const firstColumn = /(?<=^)[0-9a-z]{12}(?= {2}| \*|$)/;
/** `web.1.x8q1bmgbo4qa`, as logs and containers name tasks. */
const taskName = /(?<=\.\d+\.)[0-9a-z]{12}\b/;
const id = new RegExp(`${longId.source}|${firstColumn.source}|${taskName.source}`, 'gm');

/**
 * Writes placeholders for what no two runs have in common. Ids are numbered in the order they are
 * first seen, so that what stands for one object stays the same in a transcript.
 */
export class Placeholders {
  readonly #numbers = new Map<string, number>();

  text(raw: string): string {
    let text = raw.replaceAll('\r', '');
    for (const [pattern, placeholder] of fixed) text = text.replace(pattern, placeholder);
    text = text.replace(id, (found) => this.#numbered(found));
    // Other known ids, wherever they are: in error messages, in details of logs.
    text = text.replace(/\b[0-9a-z]{12}\b/g, (found) =>
      this.#numbers.has(found) ? this.#numbered(found) : found,
    );
    return text
      .split('\n')
      .map((line) => line.trimEnd().replace(/(?<=\S)(?:\t| {2})\s*/g, '  '))
      .join('\n');
  }

  #numbered(found: string): string {
    const key = found.slice(0, shownLength);
    const number = this.#numbers.get(key) ?? this.#numbers.size + 1;
    this.#numbers.set(key, number);
    return `<id ${number}>`;
  }
}
