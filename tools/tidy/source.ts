/** A file of the repository, by its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One breach of a rule, in one sentence. Warnings do not fail the check. */
export interface Finding {
  readonly path: string;
  readonly message: string;
  readonly warning?: boolean;
}

/** Tests and what exists for them alone. */
export function isTest(path: string): boolean {
  return (
    /\.(test|crowd|e2e|sim)\.ts$/.test(path) ||
    /\/(testing|contract)\//.test(path) ||
    /^(e2e|bench)\//.test(path)
  );
}

/** The package a file belongs to, such as `libs/raft`. */
export function packageOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'apps' || first === 'libs' ? `${first}/${second}` : first;
}

const importForms = [
  /^\s*(?:import|export)\s[^'"]*?\sfrom\s+['"]([^'"]+)['"]/gm,
  /^\s*import\s+['"]([^'"]+)['"]/gm,
  /\bimport\(\s*'([^']+)'\s*\)/g,
];

/** Everything a source imports, types included. */
export function importsOf(text: string): readonly string[] {
  return importForms.flatMap((form) => [...text.matchAll(form)].map(([, what = '']) => what));
}

/** What a source imports from there by name; `*` where it takes the whole. */
export function namesOf(text: string, specifier: string): readonly string[] {
  const clauses = [...text.matchAll(/^\s*(?:import|export)\s([^'"]*?)\sfrom\s+['"]([^'"]+)['"]/gm)]
    .filter(([, , from]) => from === specifier)
    .map(([, clause = '']) => clause);
  return clauses.flatMap((clause) => {
    const named = /^(?:type\s+)?\{([^}]*)\}$/.exec(clause.trim())?.[1];
    if (named === undefined) return ['*'];
    return named
      .split(',')
      .map((name) =>
        name
          .trim()
          .replace(/^type\s+/, '')
          .replace(/\s+as\s.*$/, ''),
      )
      .filter((name) => name !== '');
  });
}

/** The package of a bare import: `@shoal/raft/service` is of `@shoal/raft`. */
export function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

/** Source with comments and texts blanked, lines kept, for searches that mean code only. */
export function codeOf(text: string): string {
  const blank = (match: string): string => match.replace(/[^\n]/g, ' ');
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g,
    blank,
  );
}
