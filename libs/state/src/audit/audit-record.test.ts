import { describe, expect, test } from 'vitest';
import { type AppliedEntry, State, type Transaction } from '../index.ts';
import { applyNext } from '../testing/bytes.ts';
import {
  create,
  meta,
  network,
  node,
  remove,
  revision,
  service,
  task,
  transaction,
  update,
} from '../testing/objects.ts';
import { type AuditRecord, auditRecords } from './audit-record.ts';
import { changedFields, fieldsMax } from './changed-fields.ts';

function recordsOf(
  state: State,
  ...transactions: readonly Transaction[]
): { readonly records: readonly AuditRecord[]; readonly applied: AppliedEntry } {
  const applied = applyNext(state, ...transactions);
  return { applied, records: auditRecords(state.view, applied, transactions) };
}

const at = <T extends { meta: unknown }>(object: T, version: number): T => ({
  ...object,
  meta: meta(version),
});

describe('what the audit notes', () => {
  test('what is made and removed, with who did it, when and why', () => {
    const state = new State();
    const actor = { kind: 'user', name: 'docker network create', node: 'n1', client: 'x' } as const;
    const { records } = recordsOf(state, {
      ...transaction('a', [create('network', network('net', 'demo'))]),
      actor,
    });
    expect(records).toEqual([
      {
        index: 1,
        time: 1_000,
        actor,
        reason: expect.any(String),
        changes: [{ op: 'create', table: 'network', id: 'net', name: 'demo' }],
      },
    ]);
    const removal = transaction('b', [remove('network', 'net', 1)]);
    expect(recordsOf(state, removal).records).toMatchObject([
      { index: 2, changes: [{ op: 'delete', table: 'network', id: 'net', name: 'demo' }] },
    ]);
  });

  test('how many tasks the load of a service asks for, when that is another number', () => {
    const state = new State();
    const Labels = { 'shoal.autoscale.max': '9', 'shoal.autoscale.cpu': '1' };
    const created = [
      create('service', service('web')),
      create('revision', revision('web', 1, { Labels, Mode: { Replicated: { Replicas: 2 } } })),
    ];
    recordsOf(state, transaction('a', created));
    const scale = (version: number, replicas: number, most?: number) => {
      const fewer = most === undefined ? undefined : { since: 1 as never, most };
      const scaling = { replicas, changedAt: 0 as never, reason: 'busy', fewer };
      const object = at({ ...service('web'), scaling }, version);
      return recordsOf(state, transaction(`scale-${version}`, [update('service', object)])).records;
    };
    const field = (from: number, to: number) => [{ path: 'ReplicasByLoad', from, to }];
    expect(scale(1, 2)).toEqual([]);
    expect(scale(2, 4)).toMatchObject([{ changes: [{ name: 'web', fields: field(2, 4) }] }]);
    expect(scale(3, 4, 3)).toEqual([]);
    expect(scale(4, 3)).toMatchObject([{ changes: [{ name: 'web', fields: field(4, 3) }] }]);
  });

  test('which fields of a service differ, with values only where they cannot be secret', () => {
    const state = new State();
    const first = revision('web', 1, {
      Labels: { kept: 'a', gone: 'label-secret' },
      TaskTemplate: {
        ContainerSpec: { Image: 'nginx:1', Env: ['PASSWORD=env-secret'], Args: ['a'] },
        ForceUpdate: 0,
      },
    });
    const next = revision('web', 2, {
      Labels: { kept: 'a', come: 'label-secret' },
      Mode: { Replicated: { Replicas: 5 } },
      TaskTemplate: {
        ContainerSpec: { Image: 'nginx:2', Env: ['PASSWORD=other-secret'], Args: ['a'] },
        ForceUpdate: 0,
      },
    });
    recordsOf(
      state,
      transaction('a', [create('service', service('web')), create('revision', first)]),
    );
    const { records } = recordsOf(
      state,
      transaction('b', [
        create('revision', next),
        update('service', at(service('web', 'web', 2), 1)),
      ]),
    );
    expect(records[0]?.changes).toEqual([
      {
        op: 'update',
        table: 'service',
        id: 'web',
        name: 'web',
        fields: [
          { path: 'revision', from: 1, to: 2 },
          { path: 'Labels.come' },
          { path: 'Labels.gone' },
          { path: 'TaskTemplate.ContainerSpec.Image', from: 'nginx:1', to: 'nginx:2' },
          { path: 'TaskTemplate.ContainerSpec.Env' },
          { path: 'Mode.Replicated.Replicas', from: 1, to: 5 },
        ],
      },
    ]);
    expect(JSON.stringify(records)).not.toContain('secret');
  });

  test('nothing of what was only observed or decided, nor of what was refused', () => {
    const state = new State();
    const made = [
      create('node', node('n1')),
      create('service', service('web')),
      create('revision', revision('web')),
    ];
    recordsOf(state, transaction('a', made));
    const seen = { ...at(node('n1'), 1), status: { ...node('n1').status, message: 'late' } };
    const { records, applied } = recordsOf(
      state,
      transaction('refused', [update('node', at(node('n1'), 77))]),
      transaction('observed', [update('node', seen)]),
      transaction('decided', [create('task', task('t1', 'web'))]),
      transaction('asked', [
        create('task', task('t2', 'web')),
        update('node', { ...seen, spec: { ...seen.spec, Availability: 'drain' } }),
      ]),
    );
    expect(applied.outcomes.map(({ kind }) => kind)).toEqual([
      'refused',
      'committed',
      'committed',
      'refused',
    ]);
    expect(records).toEqual([]);
    const drained = { ...at(seen, 2), spec: { ...seen.spec, Availability: 'drain' } } as const;
    const asked = transaction('asked', [
      create('task', task('t2', 'web')),
      update('node', drained),
    ]);
    expect(recordsOf(state, asked).records).toMatchObject([
      {
        changes: [
          { name: 'host-n1', fields: [{ path: 'Availability', from: 'active', to: 'drain' }] },
        ],
      },
    ]);
  });

  test('so many changes and fields, and how many more there were', () => {
    const state = new State();
    const networks = Array.from({ length: 300 }, (_, n) => create('network', network(`n${n}`)));
    const [record] = recordsOf(state, transaction('a', networks)).records;
    expect(record?.changes).toHaveLength(256);
    expect(record?.leftOut).toBe(44);
    recordsOf(state, transaction('b', [create('node', node('n1'))]));
    const Labels = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`l${n}`, 'x']));
    const labelled = { ...at(node('n1'), 2), spec: { ...node('n1').spec, Labels } };
    const [wide] = recordsOf(state, transaction('c', [update('node', labelled)])).records;
    expect(wide?.changes[0]?.fields).toHaveLength(fieldsMax);
    expect(wide?.leftOut).toBe(40 - fieldsMax);
  });
});

test.each([
  ['the same lists', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, []],
  ['a longer list', { a: [1] }, { a: [1, 2] }, [{ path: 'a' }]],
  [
    'labels of which one is called so',
    { Labels: { sealed: 'x', zone: 'a' } },
    { Labels: { sealed: 'x', zone: 'b', more: '1' } },
    [{ path: 'Labels.zone' }, { path: 'Labels.more' }],
  ],
  [
    'labels of which the only one is called so',
    { Labels: { sealed: 'x' } },
    { Labels: { sealed: 'x', zone: 'b' } },
    [{ path: 'Labels' }],
  ],
  ['what is sealed alike', { k: { sealed: 'x' } }, { k: { sealed: 'x' } }, []],
  ['what is sealed', { k: { sealed: 'x' } }, { k: { sealed: 'y' } }, [{ path: 'k' }]],
  ['an object instead of a number', { a: 1 }, { a: { b: 2 } }, [{ path: 'a', from: 1 }]],
  ['nothing instead of a flag', { a: true }, {}, [{ path: 'a', from: true }]],
  ['absent and undefined', { a: undefined }, {}, []],
])('fields that differ: %s', (_, before, after, expected) => {
  expect(changedFields(before, after)).toEqual(expected);
});
