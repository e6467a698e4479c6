import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Node,
  type NodeDescription,
  State,
  type StateView,
  type Task,
} from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { type ImageQuestion, imageSources, imageSourcesMax, needsImage } from './image-sources.ts';

const meta = { version: 0 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
const digest = `sha256:${'a'.repeat(64)}`;
const now = 1_000 as Instant;

function node(id: string, images: readonly string[], more: Partial<Node['status']> = {}): Node {
  return {
    ...{ id, meta, role: 'worker' },
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    status: { state: 'ready', message: '', addr: `10.0.0.${id.slice(1)}`, dispatcher: '', ...more },
    description: {
      Hostname: `host-${id}`,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: {},
      Engine: { EngineVersion: '20.10', Plugins: [] },
      Images: images,
    },
  };
}

const arm = {
  ...node('n2', ['web:1']).description,
  Platform: { Architecture: 'aarch64', OS: 'linux' },
} as NodeDescription;

function seeded(): { next(): number } {
  let seed = 1;
  return {
    next: () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    },
  };
}

/** A task of the image `web:1` on n1, and these nodes. */
function world(nodes: readonly Node[], task: Partial<Task> = {}): StateView {
  const template = { ContainerSpec: { Image: 'web:1' }, ForceUpdate: 0 };
  const changes: Change[] = [
    ...nodes.map((object): Change => ({ op: 'create', table: 'node', object })),
    {
      op: 'create',
      table: 'service',
      object: {
        ...{ id: 's1', meta, name: 'web', revision: 1 },
        endpoint: { revision: 0, ports: [], virtualIps: [] },
      },
    },
    {
      op: 'create',
      table: 'revision',
      object: {
        ...{ id: 's1.1', meta, serviceId: 's1', number: 1 },
        spec: {
          ...{ Name: 'web', Labels: {}, Mode: { Replicated: { Replicas: 1 } } },
          TaskTemplate: template,
        },
      },
    },
    {
      op: 'create',
      table: 'task',
      object: {
        ...{ id: 't1', meta, serviceId: 's1', slot: 1, nodeId: 'n1', revision: 1 },
        ...{ desired: 'running', status: status('preparing') },
        ...task,
      },
    },
  ];
  const state = new State();
  const actor = { kind: 'user', name: 'fake' } as const;
  const transaction = { id: 'a', actor, reason: '', decidedAt: 0 as LogIndex, changes };
  const { outcomes } = state.applyTransactions(1 as LogIndex, now, [transaction]);
  expect(outcomes[0]?.kind).toBe('committed');
  return state.view;
}

function status(state: Task['status']['state']): Task['status'] {
  return { state, at: now, message: '', err: '' };
}

function asked(image: string, allManagers = false): ImageQuestion {
  return { nodeId: 'n1', image, allManagers };
}

function ids(view: StateView, image = 'web:1', chance = 0.5): readonly string[] {
  return imageSources(view, asked(image), { next: () => chance }).map(({ nodeId }) => nodeId);
}

test('nodes that say they have the image are told with name and address', () => {
  const view = world([node('n1', ['web:1']), node('n2', ['web:1']), node('n3', ['web:2'])]);
  expect(imageSources(view, asked('web:1'), { next: () => 0 })).toEqual([
    { nodeId: 'n2', hostname: 'host-n2', addr: '10.0.0.2', manager: false, unsaid: false },
  ]);
});

test('a node is reached where its user says', () => {
  const named = { ...node('n2', ['web:1']).description, AdvertiseAddr: '10.9.0.2' };
  const other: Node = { ...node('n2', ['web:1']), description: named as NodeDescription };
  const [found] = imageSources(world([node('n1', []), other]), asked('web:1'), seeded());
  expect(found?.addr).toBe('10.9.0.2');
});

test.each([
  ['docker.io/library/web', ['web:latest']],
  [`web:1@${digest}`, [digest]],
])('%s is looked for by what its node calls it', (image, images) => {
  expect(ids(world([node('n1', []), node('n2', images)]), image)).toEqual(['n2']);
});

test.each<[string, Node]>([
  ['is not ready', node('n2', ['web:1'], { state: 'unknown' })],
  ['has no address', node('n2', ['web:1'], { addr: '' })],
  ['is of another platform', { ...node('n2', ['web:1']), description: arm }],
])('a node that %s is none', (_why, other) => {
  expect(ids(world([node('n1', []), other]))).toEqual([]);
});

test('a manager may have it and not say so yet', () => {
  const managers = [node('n1', []), node('n2', []), node('n3', ['web:1'])].map(
    (each): Node => ({ ...each, role: 'manager' }),
  );
  const view = world([...managers, node('n4', [])]);
  const told = imageSources(view, asked('web:1', true), seeded());
  expect(new Map(told.map(({ nodeId, unsaid }) => [nodeId, unsaid]))).toEqual(
    new Map([
      ['n2', true],
      ['n3', false],
    ]),
  );
});

test('of many nodes a few are told, each of them at times', () => {
  const many = Array.from({ length: 30 }, (_, at) => node(`n${at + 1}`, ['web:1']));
  const view = world(many);
  const random = seeded();
  const seen = new Set<string>();
  for (let round = 0; round < 60; round += 1) {
    const told = imageSources(view, asked('web:1'), random).map(({ nodeId }) => nodeId);
    expect(new Set(told).size).toBe(imageSourcesMax);
    for (const id of told) seen.add(id);
  }
  expect(seen.size).toBe(29);
});

describe('a node needs an image', () => {
  const nodes = [node('n1', [])];
  test('while a task of it is to run there, named just as its spec names it', () => {
    const view = world(nodes);
    expect(needsImage(view, 'n1', 'web:1')).toBe(true);
    expect(needsImage(view, 'n1', `web:1@${digest}`)).toBe(false);
    expect(needsImage(view, 'n2', 'web:1')).toBe(false);
  });

  test.each<[string, Partial<Task>]>([
    ['is to stop', { desired: 'shutdown' }],
    ['has ended', { status: status('failed') }],
  ])('but not for a task that %s', (_what, task) => {
    expect(needsImage(world(nodes, task), 'n1', 'web:1')).toBe(false);
  });
});
