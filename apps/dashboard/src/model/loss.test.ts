import { expect, test } from 'vitest';
import type { NodeLoss } from '../api/shapes.ts';
import { lossText } from './loss.ts';

const none: NodeLoss = {
  node: { id: 'n', hostname: 'n' },
  moves: 0,
  wontFitCount: 0,
  wontFit: [],
  losesOnly: [],
};

test.each<[Partial<NodeLoss>, string, string]>([
  [{}, 'good', 'moves nothing, and no service stands still'],
  [
    { moves: 2, managers: { keepsQuorum: true } },
    'good',
    'moves 2 tasks, and no service stands still',
  ],
  [
    { moves: 1, losesOnly: [{ service: 'db', reason: 'only replica' }] },
    'warning',
    'moves 1 task: until then nothing runs of db',
  ],
  [
    {
      moves: 1,
      losesOnly: [
        { service: 'web', reason: 'only replica' },
        { service: 'db', reason: 'local volume' },
      ],
    },
    'warning',
    'moves 1 task, and takes local volumes of db with it',
  ],
  [
    { wontFitCount: 3, wontFit: [{ task: 'web.1', reason: 'no suitable node' }] },
    'bad',
    'leaves 3 tasks without a place (web.1: no suitable node)',
  ],
  [
    { managers: { keepsQuorum: false }, wontFitCount: 1 },
    'bad',
    'takes the quorum with it: nothing could be changed',
  ],
])('%j', (loss, tone, text) => {
  expect(lossText({ ...none, ...loss })).toEqual({ tone, text });
});
