/** Where Shoal is meant to answer otherwise than the engine that the transcripts were made with. */
export interface Difference {
  /** The one transcript that it is in; all of them without it. */
  readonly transcript?: string;
  /** Lines of an answer as the engine gives it, in the form of the files; each goes with its neighbours. */
  readonly docker: string;
  /** What stands in their place. */
  readonly shoal: string;
  readonly why: string;
}

export const differences: readonly Difference[] = [];

/** The text that Shoal is to give, and the differences that are in it. */
export function withDifferences(
  transcript: string,
  text: string,
): { readonly text: string; readonly applied: ReadonlySet<Difference> } {
  const applied = new Set<Difference>();
  let expected = text;
  for (const difference of differences) {
    if (difference.transcript !== undefined && difference.transcript !== transcript) continue;
    const changed = expected.replaceAll(difference.docker, difference.shoal);
    if (changed !== expected) applied.add(difference);
    expected = changed;
  }
  return { text: expected, applied };
}
