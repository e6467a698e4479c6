import { mustRun, run } from '@shoal/e2e/command';

/** Network of the machines: 10.98.0.1 and on, behind one bridge. */
const prefix = '10.98.0.';

/** A host's worth of network: a namespace with an address of its own. */
export interface Machine {
  readonly namespace: string;
  readonly address: string;
}

/** Network namespaces behind one bridge, so that managers have the ports that managers have. */
export class Machines {
  readonly #bridge: string;
  readonly machines: readonly Machine[];

  private constructor(bridge: string, machines: readonly Machine[]) {
    this.#bridge = bridge;
    this.machines = machines;
  }

  static async make(name: string, count: number): Promise<Machines> {
    const bridge = `${name}-0`;
    const machines = Array.from({ length: count }, (_, at) => {
      return { namespace: `${name}-${at + 1}`, address: `${prefix}${at + 1}` };
    });
    const made = new Machines(bridge, machines);
    await made.remove();
    const inBridge = ['-n', bridge];
    await mustRun('ip', ['netns', 'add', bridge]);
    await mustRun('ip', [...inBridge, 'link', 'add', 'bridge', 'type', 'bridge']);
    await mustRun('ip', [...inBridge, 'link', 'set', 'bridge', 'up']);
    for (const { namespace, address } of machines) {
      await mustRun('ip', ['netns', 'add', namespace]);
      const peer = ['peer', 'name', namespace, 'netns', bridge];
      await mustRun('ip', ['-n', namespace, 'link', 'add', 'eth0', 'type', 'veth', ...peer]);
      await mustRun('ip', [...inBridge, 'link', 'set', namespace, 'master', 'bridge', 'up']);
      await mustRun('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
      for (const link of ['lo', 'eth0'])
        await mustRun('ip', ['-n', namespace, 'link', 'set', link, 'up']);
    }
    return made;
  }

  async remove(): Promise<void> {
    for (const { namespace } of this.machines) await run('ip', ['netns', 'delete', namespace]);
    await run('ip', ['netns', 'delete', this.#bridge]);
  }
}

/** The start of a command line that runs a program in the machine's network and in mounts of its own. */
export function inMachine({ namespace }: Machine): readonly [string, ...string[]] {
  return [
    'nsenter',
    `--net=/run/netns/${namespace}`,
    'unshare',
    '--mount',
    '--propagation',
    'private',
  ];
}
