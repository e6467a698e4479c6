import { codeOf, type Finding, isTest, packageOf, type SourceFile } from './source.ts';

/** Names that say nothing of what is inside. */
const emptyNames = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'shared']);
const postponedWork = /\b(TODO|FIXME|XXX|HACK)\b/;
const linesMax = 400;

/** Where time and chance come from: everything else in libs is handed a clock and a generator. */
const ambient: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\(/, 'Date.now'],
  [/\bnew Date\(\)/, 'new Date()'],
  [/\bperformance\.now\(/, 'performance.now'],
  [/\bMath\.random\(/, 'Math.random'],
  [/\b(?<!\.)set(?:Timeout|Interval)\(/, 'setTimeout and setInterval'],
  [/\brandom(?:Bytes|UUID|Int)\(/, 'random numbers of node:crypto'],
];
const ambientAllowed = /^libs\/runtime\/src\/(clock|random|process\/run)\.ts$/;

export function checkStyle(files: readonly SourceFile[]): readonly Finding[] {
  return files.flatMap((file) => [
    ...checkName(file),
    ...checkWords(file),
    ...checkAmbient(file),
    ...checkLength(file),
  ]);
}

function checkName({ path }: SourceFile): readonly Finding[] {
  return path
    .split('/')
    .map((part) => part.replace(/\..*$/, ''))
    .filter((part) => emptyNames.has(part))
    .map((part) => ({ path, message: `${part} is no name: say what it is about` }));
}

function checkWords({ path, text }: SourceFile): readonly Finding[] {
  // These files name the words they look for.
  if (path.startsWith('tools/tidy/')) return [];
  return matchingLines(text, postponedWork).map(([line, word]) => ({
    path,
    message: `line ${line}: ${word} is work put off; do it or leave it`,
  }));
}

function checkAmbient({ path, text }: SourceFile): readonly Finding[] {
  if (!path.startsWith('libs/') || isTest(path) || ambientAllowed.test(path)) return [];
  const code = codeOf(text);
  return ambient.flatMap(([form, name]) =>
    matchingLines(code, form).map(([line]) => ({
      path,
      message: `line ${line}: ${name} in a library; take the clock or the generator handed in`,
    })),
  );
}

function checkLength({ path, text }: SourceFile): readonly Finding[] {
  const lines = text.split('\n').length - 1;
  if (lines <= linesMax || packageOf(path) === 'e2e') return [];
  return [{ path, message: `${lines} lines; ${linesMax} are a good size`, warning: true }];
}

function matchingLines(text: string, form: RegExp): readonly (readonly [number, string])[] {
  return text.split('\n').flatMap((line, at) => {
    const match = form.exec(line);
    return match === null ? [] : [[at + 1, match[0]] as const];
  });
}
