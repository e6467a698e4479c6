import { describe, expect, test } from 'vitest';
import { expectedDifference, wanted } from './differences.ts';
import { isRecorded } from './recording.ts';
import { type Finding, replay } from './replay.ts';

const names = ['http-1.50', 'http-1.41'] as const;
const areThere = names.every(isRecorded);
/** The machine may be busy with others. */
const patienceMs = 400_000;
/** Differences that the failure itself tells, where a report has room for one line; all are in what it expected. */
const shownMax = 5;
const seen = new Set<unknown>();

function line({ n, step, route, at, recorded, ours }: Finding): string {
  const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 300);
  return `${n} ${step}: ${route}: ${at}: recorded ${shown(recorded)}, ours ${shown(ours)}`;
}

describe.skipIf(!areThere)('the recorded sessions', () => {
  test.each(names)(
    '%s gets the same answers from us',
    async (name) => {
      const { exchanges, findings } = await replay(name);
      const unexpected = findings.filter((each) => {
        const expected = expectedDifference(name, each);
        seen.add(expected);
        return expected === undefined;
      });
      const lines = unexpected.map(line);
      expect(lines, lines.slice(0, shownMax).join('; ')).toEqual([]);
      expect(exchanges).toBeGreaterThan(900);
    },
    patienceMs,
  );

  test('no difference is expected for nothing', () => {
    expect(wanted.filter((each) => !seen.has(each))).toEqual([]);
  });
});
