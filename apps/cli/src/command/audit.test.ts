import { expect, test } from 'vitest';
import { CommandError } from '../terminal.ts';
import { auditTable, momentOf } from './audit.ts';

const now = Date.parse('2026-11-23T14:00:00Z');

test.each([
  ['90m', '2026-11-23T12:30:00.000Z'],
  ['1h30m', '2026-11-23T12:30:00.000Z'],
  ['2026-11-22T10:00:00+02:00', '2026-11-22T08:00:00.000Z'],
  ['2026-11-22', '2026-11-22T00:00:00.000Z'],
])('%s is a time', (text, expected) => {
  expect(momentOf(text, now)).toBe(expected);
});

test.each(['soon', '', '-5m'])('%s is none', (text) => {
  expect(() => momentOf(text, now)).toThrow(CommandError);
});

const Time = '2026-11-23T14:00:00.123456789Z';
const user = {
  Kind: 'user',
  Name: 'docker service update',
  Client: 'alice at 10.0.0.9',
  Node: { ID: 'n1', Hostname: 'm1' },
};

test('a line says when, who, and what', () => {
  const fields = [
    { Path: 'revision', From: 1, To: 2 },
    { Path: 'Labels.tier' },
    { Path: 'Mode.Replicated.Replicas', To: 5 },
  ];
  const web = { Kind: 'service', ID: 'x', Name: 'web' };
  const records = [
    {
      ...{ Time, Actor: user, Reason: 'asked for through the API', LeftOut: 3 },
      Changes: [{ ...web, Op: 'update' as const, Fields: fields }],
    },
    {
      ...{ Time, Actor: { Kind: 'stage', Name: 'orchestrator' }, LeftOut: 0 },
      Reason: 'rolling back',
      Changes: [{ ...web, Op: 'update' as const, Fields: fields.slice(0, 1) }],
    },
    {
      ...{
        Time,
        Actor: { ...user, Node: { ID: 'n2\u001b[2J', Hostname: '' } },
        Reason: '',
        LeftOut: 0,
      },
      Changes: [
        { ...web, Op: 'create' as const, Fields: [] },
        { Kind: 'node', ID: 'n9', Name: '', Op: 'delete' as const, Fields: [] },
      ],
    },
  ];
  const [, ...lines] = auditTable(records)
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  expect(lines).toEqual([
    [
      '2026-11-23T14:00:00Z',
      'alice at 10.0.0.9 of m1',
      'docker service update: service web: revision 1 → 2, Labels.tier, Mode.Replicated.Replicas - → 5; 3 more',
    ],
    ['2026-11-23T14:00:00Z', 'orchestrator', 'rolling back: service web: revision 1 → 2'],
    [
      '2026-11-23T14:00:00Z',
      'alice at 10.0.0.9 of n2?[2J',
      'docker service update: service web created; node n9 removed',
    ],
  ]);
});
