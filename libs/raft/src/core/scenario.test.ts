import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Scenario } from '../testing/scenario.ts';

/**
 * Each file of testdata is a story: blocks of commands, `----`, and what they led to. The prose
 * between is for the reader. `UPDATE=1 vitest run` writes the outcomes anew; the diff is the review.
 */
const folder = fileURLToPath(new URL('../../testdata/', import.meta.url));

for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt'))) {
  test(file, () => {
    const written = readFileSync(folder + file, 'utf8');
    const actual = walk(written);
    if (process.env['UPDATE'] === '1') writeFileSync(folder + file, actual);
    else expect(actual).toBe(written);
  });
}

function walk(story: string): string {
  const scenario = new Scenario();
  const blocks = story.trimEnd().split(/\n\n+/);
  const walked = blocks.map((block) => {
    const lines = (block.split('\n----')[0] ?? '').split('\n');
    const commands = lines.filter((line) => !line.startsWith('#'));
    if (commands.length === 0) return block;
    const outcome = commands.flatMap((command) => scenario.run(command));
    return [...lines, '----', ...(outcome.length > 0 ? outcome : ['ok'])].join('\n');
  });
  return `${walked.join('\n\n')}\n`;
}
