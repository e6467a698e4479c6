import {
  type AppliedChange,
  type Change,
  newMeta,
  type PortConfig,
  type Service,
  type StateView,
} from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { portWaitKey } from './obstacle.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  container,
  hostPort,
  ingressPort,
  moved,
  network,
  node,
  openPort,
  removed,
  service,
  task,
} from './testing/objects.ts';
import { Waits } from './waits.ts';
import { Work } from './work.ts';

function serviceOf(ports: readonly PortConfig[]): Service {
  const endpoint = { revision: 1, ports, virtualIps: [] };
  return { id: 'web', meta: newMeta, name: 'web', revision: 1, endpoint };
}

/** Whether one that waits for port 8080 of the routing mesh looks again. */
function wakes(before: Service | undefined, after: Service | undefined): boolean {
  const waits = new Waits();
  waits.add(portWaitKey('tcp/8080'), { kind: 'service', id: 'waiter' });
  const change: AppliedChange = { table: 'service', id: 'web', before, after };
  const changed = { everything: false, changes: [change], due: new Set<string>() };
  return new Work(new FakeSwarm().view, changed, waits).services.has('waiter');
}

describe('a service that has a port wakes who waits for it', () => {
  const had = serviceOf([ingressPort]);
  it.each([
    ['when it goes', undefined, true],
    ['when it gives the port back', serviceOf([]), true],
    ['when it takes another', serviceOf([{ ...ingressPort, PublishedPort: 81 }]), true],
    ['when it has it on its hosts', serviceOf([hostPort]), true],
    ['unless it only listens elsewhere', serviceOf([{ ...ingressPort, TargetPort: 81 }]), false],
    ['unless only its name is another', { ...had, name: 'site' }, false],
  ])('%s', (_when, after, expected) => {
    expect(wakes(had, after)).toBe(expected);
  });

  it('at a look at each of its ports', () => {
    const many = 1_000;
    let reads = 0;
    const ports = Array.from({ length: many }, (_, at): PortConfig => {
      return {
        ...{ Protocol: 'tcp', PublishMode: 'ingress', TargetPort: 80 },
        get PublishedPort() {
          reads += 1;
          return at + 1;
        },
      };
    });
    const [before, after] = [serviceOf(ports), serviceOf(ports.toReversed())];
    wakes(before, after);
    expect(reads).toBeLessThan(5 * many);
    reads = 0;
    wakes(before, { ...before, name: 'site' });
    expect(reads).toBe(0);
  });
});

/** Who is there, and what each was given. */
function given({ networks, services, tasks, attachments }: StateView): readonly string[] {
  const all: string[] = [];
  const note = (...words: readonly (string | number | undefined)[]): number =>
    all.push(words.join(' '));
  for (const { id, allocation } of networks.values())
    note(id, ...(allocation?.subnets ?? []).map(({ subnet }) => subnet));
  for (const { id, endpoint } of services.values()) {
    const ports = endpoint.ports.map(({ PublishedPort }) => PublishedPort);
    note(id, ...endpoint.virtualIps.map(({ addr }) => addr), ...ports);
  }
  for (const { id, networks: attached = [] } of tasks.values())
    note(id, ...attached.flatMap(({ addresses }) => addresses));
  for (const { id, addresses } of attachments.values()) note(id, ...addresses);
  return all;
}

interface Takeover {
  /** What the first allocator saw. */
  readonly before: readonly Change[];
  /** What was written while there was none. */
  readonly meanwhile: (view: StateView) => readonly Change[];
  readonly expected: readonly string[];
}

const web = service('web', { networks: ['a'] });
const ingress = network('ingress', { Ingress: true });
const taken = { ...hostPort, PublishedPort: 30_000 };

const takeovers: Record<string, Takeover> = {
  'the subnets of a network': {
    before: [],
    meanwhile: () => [network('a')],
    expected: ['a 10.0.0.0/24'],
  },
  'the virtual address of a service': {
    before: [network('a')],
    meanwhile: () => web,
    expected: ['a 10.0.0.0/24', 'web 10.0.0.2/24'],
  },
  'a port that no host has': {
    before: [ingress, ...service('own', { ports: [taken] })],
    meanwhile: () => service('web', { ports: [openPort] }),
    expected: ['ingress 10.0.0.0/24', 'own 30000', 'web 10.0.0.2/24 30001'],
  },
  'the addresses of a new task': {
    before: [network('a'), ...web],
    meanwhile: () => [task('one', 'web')],
    expected: ['a 10.0.0.0/24', 'web 10.0.0.2/24', 'one 10.0.0.3/24'],
  },
  'nothing for a task that is to be removed': {
    before: [network('a'), ...web],
    meanwhile: () => [task('one', 'web', { desired: 'remove' })],
    expected: ['a 10.0.0.0/24', 'web 10.0.0.2/24', 'one'],
  },
  'the address of a container, and its node a balancer': {
    before: [network('a'), node('n1')],
    meanwhile: () => [container('c', 'a', 'n1')],
    expected: ['a 10.0.0.0/24', 'c 10.0.0.2/24', 'a.n1 10.0.0.3/24'],
  },
  'a balancer where a task has come to': {
    before: [network('a'), ...web, node('n1'), task('one', 'web')],
    meanwhile: (view) => moved(view, 'one', 'assigned', 'n1'),
    expected: ['a 10.0.0.0/24', 'web 10.0.0.2/24', 'one 10.0.0.3/24', 'a.n1 10.0.0.4/24'],
  },
  'a balancer of the ingress network on a new node': {
    before: [ingress],
    meanwhile: () => [node('n1')],
    expected: ['ingress 10.0.0.0/24', 'ingress.n1 10.0.0.2/24'],
  },
  'no balancer where nobody is any more': {
    before: [network('a'), node('n1'), container('c', 'a', 'n1')],
    meanwhile: (view) => removed(view, 'attachment', 'c'),
    expected: ['a 10.0.0.0/24'],
  },
  'nothing for a container whose node is gone': {
    before: [network('a'), node('n1'), container('c', 'a', 'n1')],
    meanwhile: (view) => removed(view, 'node', 'n1'),
    expected: ['a 10.0.0.0/24'],
  },
};

describe('an allocator that takes over gives what nobody saw to', () => {
  it.each(Object.entries(takeovers))('%s', (_what, { before, meanwhile, expected }) => {
    const swarm = new FakeSwarm().write(...before);
    const { view } = swarm;
    swarm.restart(meanwhile(view));
    expect(given(view)).toEqual(expected);
  });
});
