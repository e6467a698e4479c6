import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bootUnit } from '../host/boot-unit.ts';
import { type HostConfig, readHostConfig } from '../host/config.ts';
import { repositoryRoot } from '../host/layout.ts';
import type { Terminal } from '../terminal.ts';
import { FakeBoot } from '../testing/fake-boot.ts';
import { disable, enable, enabledAs } from './enable.ts';

let directory: string;
let boot: FakeBoot;
const said: string[] = [];
const fakeTerminal: Terminal = { say: (line) => void said.push(line), print: () => undefined };
const unit = (): string => join(directory, 'shoal.service');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-enable-'));
  boot = new FakeBoot(directory, true);
  said.length = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

function host(flags: Readonly<Record<string, string>> = {}): HostConfig {
  const read = readHostConfig(flags);
  if (read.kind !== 'config') throw new Error(read.message);
  return read.config;
}

test('a host that is enabled starts with its flags, now and whenever the computer does', async () => {
  const config = host({ runDir: '/run/other', metricsPortBase: '100' });
  expect(enabledAs(config, boot)).toBe('not');
  await enable(config, boot);
  expect(boot.told).toEqual(['daemon-reload', 'enable --now shoal.service']);
  const text = readFileSync(unit(), 'utf8');
  expect(text).toContain(
    `\nExecStart=${repositoryRoot()}/shoal up --foreground --data-dir=/var/lib/shoal --run-dir=/run/other `,
  );
  expect(text).toContain(' --dashboard=127.0.0.1:108\n');
  expect(enabledAs(config, boot)).toBe('so');
  expect(enabledAs(host(), boot)).toBe('otherwise');
});

test('one that is disabled is stopped, and does not', async () => {
  await enable(host(), boot);
  boot.told.length = 0;
  await disable(boot, fakeTerminal);
  expect(boot.told).toEqual(['disable --now shoal.service', 'daemon-reload']);
  expect(existsSync(unit())).toBe(false);
  await disable(boot, fakeTerminal);
  expect(said.at(-1)).toBe('it was not enabled');
});

describe('what cannot be is said in one sentence', () => {
  test('another program than systemd runs the computer', async () => {
    const none = new FakeBoot(directory, false);
    const sentence = 'systemd does not run this computer: have ./shoal up --foreground started by';
    await expect(enable(host(), none)).rejects.toThrow(sentence);
    await expect(disable(none, fakeTerminal)).rejects.toThrow(sentence);
    expect(existsSync(unit())).toBe(false);
    writeFileSync(unit(), '');
    expect(enabledAs(host(), none)).toBe('not');
  });

  test('the folder of units cannot be written to', async () => {
    const away = new FakeBoot(join(directory, 'none'), true);
    await expect(enable(host(), away)).rejects.toThrow(
      /shoal\.service cannot be written: .*; run as root$/,
    );
  });

  test('systemd refuses', async () => {
    boot.failing = 'enable --now shoal.service';
    await expect(enable(host(), boot)).rejects.toThrow(
      'systemctl enable --now shoal.service failed',
    );
  });
});

const hasVerify = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!hasVerify) console.warn('systemd-analyze is not on this computer: units are not verified');

test.skipIf(!hasVerify).each([
  ['as it comes', {}],
  ['with words that systemd would read', { dataDir: '/data/100% of "$HOME" and \\more' }],
])('systemd takes the unit %s', (_what, flags) => {
  const text = bootUnit(host(flags), '/bin').replace('ExecStart=/bin/shoal', 'ExecStart=/bin/true');
  writeFileSync(unit(), text);
  const { stderr } = spawnSync('systemd-analyze', ['verify', unit()], { encoding: 'utf8' });
  // It looks at the units of the computer as well.
  expect(stderr.split('\n').filter((line) => line.includes(directory))).toEqual([]);
});
