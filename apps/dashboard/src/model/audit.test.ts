import { expect, test } from 'vitest';
import type { AuditRecord } from '../api/shapes.ts';
import { actorText, changeText } from './audit.ts';

const record = (Actor: AuditRecord['Actor']): AuditRecord => ({
  Index: 1,
  Time: '',
  Actor,
  Changes: [],
  LeftOut: 0,
});

test.each<[AuditRecord['Actor'], string]>([
  [
    { Kind: 'user', Name: 'docker node rm', Client: '10.0.0.9', Node: { Hostname: 'm1' } },
    'docker node rm, 10.0.0.9 on m1',
  ],
  [{ Kind: 'user', Name: 'docker swarm init', Node: { Hostname: '' } }, 'docker swarm init'],
  [{ Kind: 'stage', Name: 'orchestrator' }, 'orchestrator'],
  [{ Kind: 'agent', Name: 'x', Node: { Hostname: 'w1' } }, 'agent of w1'],
])('who: %j', (actor, text) => {
  expect(actorText(record(actor))).toBe(text);
});

test.each([
  [{ Op: 'delete', Fields: [] }, 'service web removed'],
  [{ Op: 'create', Name: '', Fields: [] }, 'service s1 created'],
  [
    {
      Op: 'update',
      Fields: [
        { Path: 'Mode.Replicated.Replicas', From: 1, To: 3 },
        { Path: 'Labels.a', From: undefined, To: 'b' },
        { Path: 'TaskTemplate.ContainerSpec.Env', From: undefined, To: undefined },
      ],
    },
    'service web changed: Mode.Replicated.Replicas 1 \u2192 3, Labels.a nothing \u2192 b, TaskTemplate.ContainerSpec.Env',
  ],
] as const)('what: %j', (change, text) => {
  expect(
    changeText({ Kind: 'service', ID: 's1', Name: 'web', ...change, Fields: [...change.Fields] }),
  ).toBe(text);
});
