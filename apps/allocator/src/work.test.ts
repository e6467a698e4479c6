import type { AppliedChange, PortConfig, Service } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { portWaitKey } from './obstacle.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import { hostPort, ingressPort, noMeta } from './testing/objects.ts';
import { Waits } from './waits.ts';
import { Work } from './work.ts';

function serviceOf(ports: readonly PortConfig[]): Service {
  const endpoint = { revision: 1, ports, virtualIps: [] };
  return { id: 'web', meta: noMeta, name: 'web', revision: 1, endpoint };
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
