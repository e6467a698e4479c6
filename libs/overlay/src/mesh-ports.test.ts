import type { PortConfig } from '@shoal/state';
import { expect, test } from 'vitest';
import { meshPorts } from './mesh-ports.ts';

test('many ports cost a look at each, once for all tasks of a revision', () => {
  const many = 1_000;
  let reads = 0;
  const portsTo = (TargetPort: number) =>
    Array.from({ length: many }, (_, at): PortConfig => {
      return {
        ...{ Protocol: 'tcp', PublishMode: 'ingress', TargetPort },
        get PublishedPort() {
          reads += 1;
          return at + 1;
        },
      };
    });
  const endpoint = { revision: 2, ports: portsTo(81), virtualIps: [] };
  const asked = portsTo(80);
  const led = meshPorts(endpoint, asked);
  expect(led).toHaveLength(many);
  expect(led.at(-1)).toEqual({ protocol: 'tcp', targetPort: 80, publishedPort: many });
  expect(reads).toBeLessThan(10 * many);
  expect(meshPorts(endpoint, asked)).toBe(led);
  expect(meshPorts(endpoint).at(-1)).toMatchObject({ targetPort: 81 });
  expect(meshPorts({ ...endpoint, ports: portsTo(82) }, portsTo(79))).not.toEqual(led);
});
