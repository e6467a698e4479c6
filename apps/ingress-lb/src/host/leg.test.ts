import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { expect, test } from 'vitest';
import { defaultLeg, ensureLeg } from './leg.ts';

test('a link whose settings could not be made is not taken for whole', async () => {
  let built = false;
  let refuse = true;
  const set: string[] = [];
  const fakeKernel: KernelCommands = {
    async run({ program, args, input = '' }: Command): Promise<CommandOutcome> {
      if (program === 'ip' && args.includes('show')) {
        if (!built) return { kind: 'failed', message: 'no such device', stderr: '', stdout: '' };
        const outer = args.at(-1) === 'shoal-in';
        return {
          kind: 'done',
          stdout: JSON.stringify([
            {
              ifindex: outer ? 1 : 2,
              link_index: outer ? 2 : 1,
              flags: ['UP'],
              addr_info: [{ local: outer ? '169.254.83.1' : '169.254.83.2', prefixlen: 30 }],
            },
          ]),
        };
      }
      if (input.includes('link add')) built = true;
      if (program === 'sh') {
        if (refuse) return { kind: 'failed', message: 'took too long', stderr: '', stdout: '' };
        set.push(...args.slice(3));
      }
      return { kind: 'done', stdout: '' };
    },
  };
  const options = {
    commands: fakeKernel,
    host: undefined,
    namespace: '/run/netns/shoal-4096',
    plan: defaultLeg,
    ipv6: false,
  };
  expect((await ensureLeg(options)).kind).toBe('failed');
  refuse = false;
  expect((await ensureLeg(options)).kind).toBe('applied');
  expect(set).toContain('net/ipv4/ip_forward=1');
});
