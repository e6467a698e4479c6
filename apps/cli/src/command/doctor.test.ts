import { kernelCommands } from '@shoal/overlay/kernel';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { balancerFinding, capabilityFindings, diagnose } from '../host/diagnosis.ts';
import { addDoctorCommand, describeFindings } from './doctor.ts';

const yes = { kind: 'yes', detail: 'works' } as const;
const no = { kind: 'no', reason: 'ip: Unknown device type.' } as const;
const all = {
  namespaces: yes,
  vxlan: yes,
  nftables: yes,
  ipvs: yes,
  conntrack: yes,
  wireguard: yes,
  sctp: yes,
};

test('the kernel that has all balances by IPVS', () => {
  expect(capabilityFindings(all).every(({ verdict }) => verdict === 'ok')).toBe(true);
  expect(balancerFinding(all).detail).toBe('ipvs is chosen');
});

describe('what is missing is told with what it costs', () => {
  test.each([
    ['vxlan', 'bad'],
    ['nftables', 'bad'],
    ['ipvs', 'ok'],
    ['conntrack', 'warn'],
    ['wireguard', 'warn'],
  ] as const)('%s: %s', (key, verdict) => {
    const finding = capabilityFindings({ ...all, [key]: no }).find(({ check }) => check === key);
    expect(finding?.verdict).toBe(verdict);
    expect(finding?.detail).toContain('(ip: Unknown device type.)');
  });
  test('without IPVS nftables is chosen, without both nothing', () => {
    expect(balancerFinding({ ...all, ipvs: no }).detail).toBe('nftables is chosen');
    expect(balancerFinding({ ...all, nftables: no }).verdict).toBe('bad');
  });
});

test.each(['/var/run/docker.sock', 'tcp://', ''])('%j is no engine', async (engine) => {
  const shoal = new Command();
  addDoctorCommand(shoal, { say: () => undefined, print: () => undefined });
  const asked = shoal.parseAsync(['doctor', `--engine=${engine}`], { from: 'user' });
  await expect(asked).rejects.toMatchObject({
    message: expect.stringContaining('must look like unix:///var/run/docker.sock'),
    exitCode: 2,
  });
});

test.runIf(process.getuid?.() === 0)(
  'this host is looked at whole, and left as it was',
  async () => {
    const commands = kernelCommands();
    const engine = 'unix:///nowhere/docker.sock';
    const findings = await diagnose({ commands, engine, running: false });
    const text = describeFindings(findings);
    for (const check of ['vxlan', 'nftables', 'balancer', 'port 7946/udp', 'mtu', 'forwarding']) {
      expect(text).toContain(check);
    }
    expect(findings[0]).toMatchObject({ check: 'engine', verdict: 'bad' });
    const names = await commands.run({ program: 'ip', args: ['netns', 'list'] });
    expect(names.kind === 'done' && names.stdout.includes(`shoal-doctor-${process.pid}`)).toBe(
      false,
    );
  },
);
