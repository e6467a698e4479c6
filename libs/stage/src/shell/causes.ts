/** Different causes that are told apart; a metric must not grow with what its process lives to see. */
export const causesMax = 64;
/** What the rest is called. */
export const otherCause = 'other';

/**
 * Gives reasons of transactions, which are sentences about this task or that node, few names that a metric can
 * count them by: `makes room for task web.1` and `… web.2` are both `makes room for task …`.
 */
export class Causes {
  readonly #known = new Set<string>();

  of(reason: string): string {
    const cause = general(reason);
    if (this.#known.has(cause)) return cause;
    if (this.#known.size >= causesMax) return otherCause;
    this.#known.add(cause);
    return cause;
  }
}

/** Without what comes after the main clause, and without names, numbers and ids. */
function general(reason: string): string {
  const [clause = ''] = reason.split(/[;(]/, 1);
  const words = clause.trim().split(/\s+/);
  return words.map((word) => (isName(word) ? '…' : word)).join(' ');
}

function isName(word: string): boolean {
  return /[0-9/"'_]|[.].|.-./.test(word);
}
