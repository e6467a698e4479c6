import type { Boot } from '../command/enable.ts';
import { CommandError } from '../terminal.ts';

/** A systemd that notes what it is told. */
export class FakeBoot implements Boot {
  readonly isThere: boolean;
  readonly directory: string;
  readonly told: string[] = [];
  /** What fails, as it is called. */
  failing = '';

  constructor(directory = '/nowhere', isThere = false) {
    this.directory = directory;
    this.isThere = isThere;
  }

  readonly control = async (...args: readonly string[]): Promise<void> => {
    const call = args.join(' ');
    this.told.push(call);
    if (call === this.failing) throw new CommandError(`systemctl ${call} failed: no`);
  };
}
