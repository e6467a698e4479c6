import { readFileSync } from 'node:fs';
import { GenericContainer, Wait } from 'testcontainers';
import { machineLabel } from './sweep.ts';

const image = 'shoal-host';
const bootMsMax = 120_000;

/** How a machine is set up. */
export interface MachineSetup {
  readonly name: string;
  readonly address: string;
  readonly network: string;
  /** Folder with the compiled code of our bundles, which all machines share: it halves their boot. */
  readonly codeCache: string;
  /** `none`: a machine with a bare engine. Default: Shoal comes up with the machine. */
  readonly processes?: 'all' | 'none' | undefined;
  /** Whether `skewClock` works; costs a library that is loaded before everything else. */
  readonly adjustableClock?: boolean | undefined;
  /** Environment of all processes, `SHOAL_LOG_LEVEL` for example. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** Where the machine keeps what its clock is off by. */
export const clockFile = '/var/lib/shoal-clock';

/**
 * A container that can be a machine: with an engine of its own, its own disks, a fixed address. It
 * gets full privileges where the kernel lets us give them, else all that are left.
 */
export class MachineContainer extends GenericContainer {
  constructor(setup: MachineSetup) {
    super(image);
    const { name, address, network } = setup;
    this.withName(name)
      .withHostname(name)
      .withLabels({ [machineLabel]: name })
      .withNetworkMode(network)
      .withBindMounts([{ source: setup.codeCache, target: '/var/lib/shoal/cache' }])
      .withTmpFs({ '/run': 'rw,exec', '/tmp': 'rw,exec' })
      .withEnvironment({
        ...setup.environment,
        HOST_PROCESSES: setup.processes ?? 'all',
        ...(setup.adjustableClock === true ? { HOST_CLOCK_FILE: clockFile } : {}),
      })
      .withWaitStrategy(Wait.forLogMessage('host ready').withStartupTimeout(bootMsMax));
    if (hasAllCapabilities()) this.withPrivilegedMode();
    else this.#almostPrivileged();
    this.createOpts.NetworkingConfig = {
      EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address } } },
    };
  }

  /** What --privileged means, without the capability that sandboxes keep for themselves. */
  #almostPrivileged(): void {
    this.withAddedCapabilities('ALL')
      .withDroppedCapabilities('SYS_RESOURCE')
      .withSecurityOpt('seccomp=unconfined', 'apparmor=unconfined');
    Object.assign(this.hostConfig, {
      DeviceCgroupRules: ['a *:* rwm'],
      MaskedPaths: [],
      ReadonlyPaths: [],
    });
  }
}

/** Whether containers of ours can be privileged: sandboxes keep a capability for themselves. */
export function hasAllCapabilities(): boolean {
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  const bounding = /CapBnd:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return BigInt(`0x${bounding}`) === (1n << BigInt(last + 1)) - 1n;
}
