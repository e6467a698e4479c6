import { hash } from 'node:crypto';
import type { AuditRecord } from '@shoal/state';
import { z } from 'zod';

/**
 * A line of the audit is JSON whose last member is the `chain`: the SHA-256, in hexadecimal, of the chain of the
 * line before and the line's own text without that member. Whoever changes, removes or adds a line has to write all
 * lines behind it anew.
 */
export type Line =
  /** The first of each file: the chain of the line before it, and how far the audit goes by then. */
  | { readonly kind: 'opening'; readonly follows: string; readonly through: number }
  | { readonly kind: 'record'; readonly record: AuditRecord }
  /** Entries from `after` on up to `through` never passed here one by one. */
  | { readonly kind: 'gap'; readonly after: number; readonly through: number }
  /** Up to here there is nothing more to note. */
  | { readonly kind: 'through'; readonly through: number };

/** What the very first line follows. */
export const chainStart = '0'.repeat(64);

const index = z.int().nonnegative();
const chain = z.string().regex(/^[0-9a-f]{64}$/);
const value = z.union([z.string(), z.number(), z.boolean()]).optional();
const record = z.looseObject({
  index,
  time: z.number(),
  actor: z.looseObject({ kind: z.string(), name: z.string() }),
  reason: z.string(),
  more: index.optional(),
  changes: z.array(
    z.looseObject({
      op: z.string(),
      table: z.string(),
      id: z.string(),
      name: z.string(),
      fields: z.array(z.looseObject({ path: z.string(), from: value, to: value })).optional(),
    }),
  ),
});
const opening = z.object({ opening: z.object({ follows: chain, through: index }) });
const gap = z.object({ gap: z.object({ after: index, through: index }) });
const through = z.object({ through: index });

/** What JSON leaves as it is, and other readers of lines take for the end of one. */
const otherLineEnds = /[\u0085\u2028\u2029]/g;

/** The line's text without its chain. */
export function lineText(line: Line): string {
  return jsonOf(line).replace(
    otherLineEnds,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function jsonOf(line: Line): string {
  switch (line.kind) {
    case 'opening':
      return JSON.stringify({ opening: { follows: line.follows, through: line.through } });
    case 'record':
      return JSON.stringify(line.record);
    case 'gap':
      return JSON.stringify({ gap: { after: line.after, through: line.through } });
    case 'through':
      return JSON.stringify({ through: line.through });
  }
}

/** The chain behind a line with this text. */
export function chainAfter(before: string, text: string): string {
  return hash('sha256', before + text);
}

/** The line as it is written, without its end. */
export function chained(text: string, link: string): string {
  return `${text.slice(0, -1)},"chain":"${link}"}`;
}

const written = /^(\{.*),"chain":"([0-9a-f]{64})"\}$/s;

/** A written line, taken apart; undefined when it is none. */
export function unchained(
  line: string,
): { readonly text: string; readonly chain: string } | undefined {
  const [, content, link] = written.exec(line) ?? [];
  return content === undefined || link === undefined
    ? undefined
    : { text: `${content}}`, chain: link };
}

/** Reads a text as {@link lineText} writes it; undefined when it is none. */
export function readLine(text: string): Line | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  // By what it has: to try one shape after the other costs ten times as much, and there are many lines.
  if (typeof found !== 'object' || found === null) return undefined;
  if ('index' in found)
    return record.safeParse(found).success
      ? { kind: 'record', record: found as AuditRecord }
      : undefined;
  if ('opening' in found) {
    const { data } = opening.safeParse(found);
    return data === undefined ? undefined : { kind: 'opening', ...data.opening };
  }
  if ('gap' in found) {
    const { data } = gap.safeParse(found);
    return data === undefined ? undefined : { kind: 'gap', ...data.gap };
  }
  const { data } = through.safeParse(found);
  return data === undefined ? undefined : { kind: 'through', ...data };
}

/** The entry that the line is of, or up to which it speaks. */
export function lineIndex(line: Line): number {
  return line.kind === 'record' ? line.record.index : line.through;
}

/** Whether all that is to be said up to its entry is said with this line. */
export function isLastOfEntry(line: Line): boolean {
  return line.kind !== 'record' || (line.record.more ?? 0) === 0;
}
