import type { TaskTemplate } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { textRefreshMs } from './scheduler.ts';
import { FakeBoard } from './testing/fake-board.ts';
import { waitTextCharsMax } from './wait-text.ts';

const gibibyte = 2 ** 30;

function reserve(Reservations: object): Partial<TaskTemplate> {
  return { Resources: { Reservations } };
}

interface Row {
  readonly rule: string;
  /** What makes node1 and node2 unfit. */
  readonly given: (board: FakeBoard) => void;
  readonly template?: Partial<TaskTemplate>;
  readonly text: string;
}

function open(board: FakeBoard, id: string, Availability: 'pause' | 'drain'): void {
  board.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability } }));
}

const rows: readonly Row[] = [
  {
    rule: 'memory: the node with the smallest gap',
    given: (board) => {
      board.node('node1', { memory: 2 * gibibyte });
      board.node('node2', { memory: 3.5 * gibibyte });
    },
    template: reserve({ MemoryBytes: 4 * gibibyte }),
    text: 'no suitable node (insufficient resources on 2 nodes): node2 is closest, it lacks 512 MiB of memory',
  },
  {
    rule: 'CPU and memory, both lacking',
    given: (board) => board.node('node1', { cpus: 1, memory: gibibyte }),
    template: reserve({ NanoCPUs: 2.5e9, MemoryBytes: 4 * gibibyte }),
    text: 'no suitable node (insufficient resources on 1 node): node1 is closest, it lacks 3 GiB of memory and 1.5 CPUs',
  },
  {
    rule: 'a small gap is nearer than a drained node',
    given: (board) => {
      board.node('node1');
      open(board, 'node1', 'drain');
      board.node('node2', { cpus: 7 });
    },
    template: reserve({ NanoCPUs: 8e9 }),
    text: 'no suitable node (1 node not available for new tasks; insufficient resources on 1 node): node2 is closest, it lacks 1 CPU',
  },
  {
    rule: 'a paused node, when it would fit',
    given: (board) => {
      board.node('node1');
      open(board, 'node1', 'pause');
    },
    text: 'no suitable node (1 node not available for new tasks): node1 is closest, it is paused',
  },
  {
    rule: 'a constraint that is not met',
    given: (board) => board.node('node1', { labels: { disk: 'hdd' } }),
    template: { Placement: { Constraints: ['node.labels.disk == ssd', 'node.role==worker'] } },
    text: 'no suitable node (scheduling constraints not satisfied on 1 node): node1 is closest, it does not meet node.labels.disk==ssd',
  },
  {
    rule: 'generic resources by kind',
    given: (board) => board.node('node1'),
    template: reserve({ GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] }),
    text: 'no suitable node (insufficient resources on 1 node): node1 is closest, it lacks 2 gpu',
  },
  {
    rule: 'a log driver',
    given: (board) =>
      board.node('node1', {
        change: {
          description: {
            Hostname: 'berta',
            Platform: { Architecture: 'x86_64', OS: 'linux' },
            Resources: {},
            Engine: { EngineVersion: '28.2.2', Plugins: [{ Type: 'Log', Name: 'json-file' }] },
          },
        },
      }),
    template: { LogDriver: { Name: 'syslog' } },
    text: 'no suitable node (missing plugin on 1 node): berta is closest, it lacks the log driver syslog',
  },
  {
    rule: 'cluster volumes',
    given: (board) => board.node('node1'),
    template: {
      ContainerSpec: { Image: 'i', Mounts: [{ Type: 'cluster', Source: 'v', Target: '/v' }] },
    },
    text: 'no suitable node (cannot fulfill requested CSI volume mounts on 1 node): node1 is closest, it cannot mount cluster volumes, which are not supported',
  },
];

describe('a waiting task says which node is closest and what it lacks', () => {
  it.each(rows)('$rule', ({ given, template, text }) => {
    const board = new FakeBoard();
    given(board);
    board.service('web', template);
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status.err).toBe(text);
  });

  it('in a bounded text', () => {
    const board = new FakeBoard();
    board.node('node1');
    const Constraints = Array.from({ length: 40 }, (_, at) => `node.labels.label${at}==value`);
    board.service('web', { Placement: { Constraints } });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    const { err } = board.task(id).status;
    expect(err.length).toBe(waitTextCharsMax);
    expect(err).toMatch(/^no suitable node \(scheduling constraints not satisfied on 1 node\): /);
  });

  it('and hears of the next gap soon, but not with every change', () => {
    const board = new FakeBoard();
    board.node('node1', { cpus: 1 });
    board.service('web', reserve({ NanoCPUs: 8e9 }));
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    const { at } = board.task(id).status;
    board.changeNode('node1', ({ description }) => ({
      description: description && { ...description, Resources: { NanoCPUs: 7e9 } },
    }));
    board.schedule();
    expect(board.task(id).status).toMatchObject({
      at: at + textRefreshMs,
      err: 'no suitable node (insufficient resources on 1 node): node1 is closest, it lacks 1 CPU',
    });
  });
});
