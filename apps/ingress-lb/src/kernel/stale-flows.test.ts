import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { silentLogger, systemClock } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { Balancing } from '../desired/balancing.ts';
import { desiredNetwork } from '../desired/desired.ts';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { noMetrics } from '../testing/no-metrics.ts';
import { networkOf, tableOf, taskOf } from '../testing/records.ts';
import { applied, type BalancerBackend } from './backend.ts';
import { NamespaceWriter } from './writer.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const desired = (...tasks: ReturnType<typeof taskOf>[]) => desiredNetwork(tableOf(tasks), options);

test('flows to a gone task that could not be ended are ended as soon as they can', async () => {
  let hasTool = true;
  const listed: string[] = [];
  let kernel: Balancing | undefined;
  const fakeBackend: BalancerBackend = {
    kind: 'nftables',
    apply: async (_namespace, _have, want) => {
      kernel = want;
      return applied;
    },
    read: async () => kernel,
    asRead: (want) => want,
    unsupported: () => [],
    clear: async () => applied,
  };
  const addresses = ['10.0.1.2', 'fd00:1::2'];
  const fakeKernel: KernelCommands = {
    async run({ program, args }: Command): Promise<CommandOutcome> {
      const [, script = '', , ...rest] = args;
      if (program === 'sh' && script.includes('conntrack')) {
        if (!hasTool) return { kind: 'failed', message: 'Cannot fork', stderr: '', stdout: '' };
        listed.push(...rest);
        return {
          kind: 'done',
          stdout:
            'conntrack v1: 0 flow entries have been shown.\nconntrack v1: 0 flow entries have been shown.\n',
        };
      }
      if (program === 'ip' && args.includes('show'))
        return {
          kind: 'done',
          stdout: JSON.stringify([
            {
              addr_info: addresses.map((local) => ({
                local,
                prefixlen: local.includes(':') ? 128 : 32,
              })),
            },
          ]),
        };
      return { kind: 'done', stdout: '' };
    },
  };
  const writer = new NamespaceWriter({
    commands: fakeKernel,
    backend: fakeBackend,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  await writer.want(networkOf(), desired(taskOf(11), taskOf(12)));
  hasTool = false;
  await writer.want(networkOf(), desired(taskOf(11)));
  expect(writer.problems).toEqual([expect.stringContaining('open flows')]);
  hasTool = true;
  listed.length = 0;
  await writer.audit();
  await writer.want(networkOf(), desired(taskOf(11), taskOf(13)));
  writer.close();
  expect(listed).toContain('src=10.0.1.12 ');
});
