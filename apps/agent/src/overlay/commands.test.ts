import { systemClock } from '@shoal/runtime';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { Commands, readFailure } from './commands.ts';
import { overlayMetrics } from './metrics.ts';
import { Queues } from './queues.ts';

describe('what a batch was refused', () => {
  const lines = ['link add br0 type bridge', 'link add x type nosuch', 'foo'];

  test.each([
    [
      'a line',
      'Error: Unknown device type.\nCommand failed -:2\n',
      'Unknown device type. (ip link add x type nosuch)',
      [{ command: lines[1], message: 'Unknown device type.' }],
    ],
    [
      'several lines',
      'RTNETLINK answers: File exists\nCommand failed -:1\nRTNETLINK answers: No such device\nCommand failed -:2\n',
      'File exists (ip link add br0 type bridge)',
      [
        { command: lines[0], message: 'File exists' },
        { command: lines[1], message: 'No such device' },
      ],
    ],
    ['no line', 'Cannot open network namespace "x": No such file or directory\n', 'ip: ended', []],
    ['silence', '', 'ip: ended', []],
    [
      'a line that there is not',
      'boom\nCommand failed -:9\n',
      'boom (ip )',
      [{ command: '', message: 'boom' }],
    ],
  ])('%s', (_what, stderr, message, refused) => {
    const outcome = readFailure('ip', { message: 'ip: ended', stderr }, lines);
    expect(outcome).toEqual({ kind: 'failed', message, refused });
  });
});

describe('processes', () => {
  const metrics = new Registry();
  const { command: observe, stayed } = overlayMetrics(metrics);
  const commands = new Commands({ clock: systemClock, observe, stayed });

  test('a tool that fails says which line', async () => {
    const outcome = await commands.ip(undefined, ['link show dev lo', 'link show dev nothing0']);
    expect(outcome).toMatchObject({
      kind: 'failed',
      refused: [{ command: 'link show dev nothing0' }],
    });
  });

  test.each([
    'link show lo\nlink show nothing0',
    'link show "lo"',
    'link show lo # x',
    'link show \\',
    'link  show',
  ])('a line that is more than words is given to none: %j', async (line) => {
    const outcome = { kind: 'failed', refused: [], message: expect.stringContaining('characters') };
    expect(await commands.ip(undefined, ['link show lo', line])).toEqual(outcome);
    expect(await commands.ipEach('shoal-nothing', [line])).toEqual(outcome);
  });

  test('a namespace that there is not', async () => {
    const outcome = await commands.show('ip', 'shoal-nothing', ['link']);
    expect(outcome).toMatchObject({ kind: 'failed', refused: [] });
  });

  test('are counted', async () => {
    await commands.show('ip', undefined, ['link']);
    expect(await metrics.metrics()).toMatch(
      /overlay_commands_total\{tool="ip",outcome="ok"\} [1-9]/,
    );
  });
});

test('works of one key run one after the other, also after one that failed', async () => {
  const queues = new Queues();
  const seen: string[] = [];
  const first = Promise.withResolvers<undefined>();
  const works = [
    queues.run('a', async () => {
      await first.promise;
      seen.push('a1');
      throw new Error('a1');
    }),
    queues.run('a', async () => seen.push('a2')),
    queues.run('b', async () => seen.push('b1')),
  ];
  await works[2];
  expect(seen).toEqual(['b1']);
  first.resolve(undefined);
  await Promise.allSettled(works);
  await queues.idle();
  expect(seen).toEqual(['b1', 'a1', 'a2']);
});
