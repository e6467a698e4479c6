import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '../RESULTS.md');
const title = '# Newest results';

/** Replaces what `RESULTS.md` says of one benchmark; the others stay. */
export function keepResult(name: string, table: string): void {
  const day = new Date().toISOString().slice(0, 10);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const others = text.split(/^(?=## )/m).slice(1);
  const kept = others.filter((section) => !section.startsWith(`## ${name}, `));
  const sections = [...kept, `## ${name}, ${day}\n\n${table}`].map((section) => section.trim());
  writeFileSync(file, `${[title, ...sections].join('\n\n')}\n`);
}
