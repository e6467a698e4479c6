import { codeOf, type Finding, type SourceFile } from './source.ts';

const exported =
  /^export (?:async )?(?:(?:function\*?|const|let|(?:abstract )?class) (\w+)|const \[([\w, ]+)\])/gm;

/**
 * Values that are exported and that no other file names: a module's surface is what others use. Types are
 * left alone, as those of a parameter or a result belong to what has them.
 */
export function checkExports(files: readonly SourceFile[]): readonly Finding[] {
  const codes = files.map(({ path, text }) => ({ path, code: codeOf(text) }));
  const counts = filesByWord(codes.map(({ code }) => code));
  return codes.flatMap(({ path, code }) =>
    [...code.matchAll(exported)]
      .flatMap(([, one = '', several = '']) => [one, ...several.split(', ')].filter(Boolean))
      .filter((name) => (counts.get(name) ?? 0) < 2)
      .map((name) => ({ path, message: `${name} is exported and no other file names it` })),
  );
}

/** In how many of them a word stands. */
function filesByWord(codes: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const code of codes) {
    for (const word of new Set(code.match(/\w+/g))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}
