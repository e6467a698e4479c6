import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '@shoal/runtime';
import { bootUnit, unitDirectory, unitName } from '../host/boot-unit.ts';
import type { HostConfig } from '../host/config.ts';
import { repositoryRoot } from '../host/layout.ts';
import { CommandError, type Terminal } from '../terminal.ts';

/** The systemd of this computer. */
export interface Boot {
  /** Whether it is what runs the computer. */
  readonly isThere: boolean;
  readonly directory: string;
  /** Runs `systemctl`. @throws CommandError with what it says */
  readonly control: (...args: readonly string[]) => Promise<void>;
}

export const systemd: Boot = {
  isThere: existsSync('/run/systemd/system'),
  directory: unitDirectory,
  control: (...args) =>
    new Promise((resolve, reject) => {
      const child = spawn('systemctl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      child.on('error', ({ message }) => reject(new CommandError(`systemctl: ${message}`)));
      child.on('close', (code) => {
        if (code === 0) resolve();
        else reject(new CommandError(`systemctl ${args.join(' ')} failed: ${said.trim()}`));
      });
    }),
};

/** Has systemd keep this host up, now and from every start of the computer on. @throws CommandError */
export async function enable(config: HostConfig, boot: Boot): Promise<void> {
  const { directory, control } = boot;
  refuseWithout(boot);
  const path = join(directory, unitName);
  try {
    writeFileSync(path, bootUnit(config, repositoryRoot()), { mode: 0o644 });
  } catch (error) {
    throw new CommandError(`${path} cannot be written: ${errorMessage(error)}; run as root`);
  }
  await control('daemon-reload');
  await control('enable', '--now', unitName);
}

/** Takes that back, and stops the processes; containers go on. @throws CommandError */
export async function disable(boot: Boot, terminal: Terminal): Promise<void> {
  refuseWithout(boot);
  const path = join(boot.directory, unitName);
  if (!existsSync(path)) {
    terminal.say('it was not enabled');
    return;
  }
  await boot.control('disable', '--now', unitName);
  rmSync(path);
  await boot.control('daemon-reload');
  terminal.say('stopped, and not started with the computer any more; containers go on running');
}

/** Whether systemd keeps the host up, and with these flags. */
export function enabledAs(config: HostConfig, boot: Boot): 'so' | 'otherwise' | 'not' {
  const path = join(boot.directory, unitName);
  if (!boot.isThere || !existsSync(path)) return 'not';
  return readFileSync(path, 'utf8') === bootUnit(config, repositoryRoot()) ? 'so' : 'otherwise';
}

function refuseWithout({ isThere }: Boot): void {
  if (!isThere)
    throw new CommandError(
      'systemd does not run this computer: have ./shoal up --foreground started by what does',
    );
}
