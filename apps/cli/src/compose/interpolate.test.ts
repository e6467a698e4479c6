// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as Compose files have them
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interpolate } from './interpolate.ts';

const set: Readonly<Record<string, string>> = { NAME: 'web', EMPTY: '', PORT: '80' };
const lookup = (name: string): string | undefined => set[name];

describe('variables', () => {
  test.each([
    ['plain', 'plain'],
    ['$NAME-$PORT', 'web-80'],
    ['${NAME}s', 'webs'],
    ['$$NAME', '$NAME'],
    ['a$$$$b', 'a$$b'],
    ['${NAME:-other}', 'web'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY-other}', ''],
    ['${NONE-other}', 'other'],
    ['${NONE:-}', ''],
    ['${NAME:+set}', 'set'],
    ['${EMPTY:+set}', ''],
    ['${EMPTY+set}', 'set'],
    ['${NONE+set}', ''],
    ['${NONE:-${NAME}:${PORT}}', 'web:80'],
    ['${NONE:-${ALSO:-deep}}', 'deep'],
    ['${NONE:-a-b:c?d}', 'a-b:c?d'],
    ['${NAME:?must be}', 'web'],
    ['{"a": "}"}', '{"a": "}"}'],
    ['${NAME:-${NONE:?not needed}}', 'web'],
    ['${NONE:+${ALSO:?not needed}}', ''],
    ['${NONE:-$$x}', '$x'],
  ])('%s is %s', (text, filled) => {
    expect(interpolate(text, lookup)).toEqual({ kind: 'text', text: filled, missing: [] });
  });

  test.each([
    ['$NONE and ${ALSO}', ' and ', ['NONE', 'ALSO']],
    ['${NONE:-$ALSO}', '', ['ALSO']],
    // What is not needed may name anything.
    ['${NAME:-$ALSO}', 'web', []],
    ['${NONE:+$ALSO}', '', []],
  ])('%s lacks some', (text, filled, missing) => {
    expect(interpolate(text, lookup)).toEqual({ kind: 'text', text: filled, missing });
  });

  test.each([
    ['${NONE:?say which}', 'variable NONE must be set: say which'],
    ['${EMPTY:?}', 'variable EMPTY must be set'],
    ['${NONE?${NAME} needs it}', 'variable NONE must be set: web needs it'],
    ['${NONE:-${ALSO:?say which}}', 'variable ALSO must be set: say which'],
    ['${NONE:?${ALSO:?say which}}', 'variable ALSO must be set: say which'],
    ['${NAME', 'a } is missing at the end'],
    ['${NAME:-${PORT}', 'a } is missing at the end'],
    ['100$', 'there is no variable in "$": a dollar sign alone is $$'],
    ['${}', 'there is no variable in "${}": a dollar sign alone is $$'],
    ['${NAME!}', '${NAME!} is no way to write a variable'],
  ])('%s is refused', (text, message) => {
    expect(interpolate(text, lookup)).toEqual({ kind: 'refused', message });
  });

  test('a text whose dollar signs are doubled is itself again', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const outcome = interpolate(text.replaceAll('$', '$$$$'), () => undefined);
        return outcome.kind === 'text' && outcome.text === text;
      }),
    );
  });
});
