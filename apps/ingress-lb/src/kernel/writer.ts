import type { HostNetwork } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import { type Clock, type Logger, pause, type Timer } from '@shoal/runtime';
import {
  type Backend,
  type Balancing,
  backendAddresses,
  emptyBalancing,
  openOnly,
  sameBalancing,
} from '../desired/balancing.ts';
import type { DesiredNetwork } from '../desired/desired.ts';
import type { BalancerMetrics } from '../metrics.ts';
import type { Applied, BalancerBackend } from './backend.ts';
import { type Flow, flowsForgottenMax, forgetFlows } from './connections.ts';
import { setSysctls } from './sysctls.ts';
import { applyVirtualIps, readVirtualIps } from './virtual-ips.ts';

/** Shortest time between two writes of one namespace, milliseconds: what comes meanwhile goes together. */
const writeGapMs = 20;
/** Pause before a failed write is tried again, milliseconds: doubled each time up to the longest. */
const retryMs = { first: 250, most: 30_000 } as const;

/** The bridge must leave address translation to routing, or a task that calls itself is cut off. */
const namespaceSysctls = {
  'net/ipv4/ip_forward': '1',
  'net/ipv4/conf/all/send_redirects': '0',
  // What goes in and out by the bridge would else be looked at for a shorter way, packet by packet.
  '?net/ipv4/conf/br0/send_redirects': '0',
  '?net/ipv6/conf/all/forwarding': '1',
  '?net/bridge/bridge-nf-call-iptables': '0',
  '?net/bridge/bridge-nf-call-ip6tables': '0',
};

export interface WriterOptions {
  readonly commands: KernelCommands;
  readonly backend: BalancerBackend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: BalancerMetrics;
}

interface Wanted {
  readonly network: HostNetwork;
  readonly desired: DesiredNetwork;
}

/**
 * The only writer of one network's namespace: one change at a time, of those that come meanwhile the
 * newest counts. Knows what the kernel really has as of the last write or audit.
 */
export class NamespaceWriter {
  readonly #options: WriterOptions;
  #wanted: Wanted | undefined;
  /** What was wanted when it was last written; undefined when the kernel may have anything. */
  #written: Wanted | undefined;
  #actual: Balancing = emptyBalancing;
  #problem: string | undefined;
  #flowProblem: string | undefined;
  /** Of former changes, for want of the tool. */
  #toForget: readonly Flow[] = [];
  #working: Promise<void> | undefined;
  #prepared = '';
  #failures = 0;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** The balancing that is in place, as the kernel would tell it. */
  get actual(): Balancing {
    return this.#actual;
  }

  get problems(): readonly string[] {
    const wanted = this.#wanted;
    if (wanted === undefined) return [];
    const unsupported = this.#options.backend.unsupported(wanted.desired.balancing);
    const own = [this.#problem, this.#flowProblem].filter((problem) => problem !== undefined);
    return [...wanted.desired.problems, ...unsupported, ...own];
  }

  /** Resolves when this or something newer is written, or could not be. */
  want(network: HostNetwork, desired: DesiredNetwork): Promise<void> {
    this.#wanted = { network, desired };
    this.#retry?.cancel();
    return this.#work();
  }

  /** Compares with the kernel and repairs what differs; says whether it did. */
  async audit(): Promise<boolean> {
    await this.#working;
    if (this.#closed || this.#wanted === undefined) return false;
    const { network, desired } = this.#wanted;
    const { backend, commands, logger, metrics } = this.#options;
    const found = await backend.read(network.namespace, desired.balancing);
    const virtualIps = await readVirtualIps(commands, network);
    // Somebody wrote meanwhile: what was read is old.
    if (this.#wanted.desired !== desired || this.#working !== undefined) return false;
    const same =
      found !== undefined &&
      sameBalancing(found, backend.asRead(desired.balancing)) &&
      sameTexts(virtualIps ?? [], desired.virtualIps);
    if (same) {
      await this.#forget(this.#wanted, []);
      return false;
    }
    this.#actual = found ?? emptyBalancing;
    this.#written = undefined;
    this.#prepared = '';
    logger.warn({ network: network.name }, 'namespace_repaired');
    metrics.repaired();
    await this.#work();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
  }

  #work(): Promise<void> {
    this.#working ??= this.#loop();
    return this.#working;
  }

  async #loop(): Promise<void> {
    // So that even a loop with nothing to do ends after it is known to run.
    await Promise.resolve();
    try {
      while (!this.#closed && this.#wanted !== undefined && this.#wanted !== this.#written) {
        const wanted = this.#wanted;
        if (!(await this.#writeOnce(wanted)) && this.#wanted === wanted) return;
        if (this.#wanted !== wanted) await this.#pause(writeGapMs);
      }
    } finally {
      // At once: whoever wants something now begins a new loop.
      this.#working = undefined;
    }
  }

  async #writeOnce(wanted: Wanted): Promise<boolean> {
    const { clock, metrics } = this.#options;
    const begin = clock.monotonic();
    const outcome = await this.#write(wanted);
    metrics.applied(outcome.kind, clock.monotonic() - begin);
    if (outcome.kind === 'failed') {
      this.#failed(wanted.network, outcome.message);
      return false;
    }
    this.#failures = 0;
    this.#problem = undefined;
    this.#written = wanted;
    return true;
  }

  #failed(network: HostNetwork, message: string): void {
    const { logger, clock } = this.#options;
    logger.error({ network: network.name, reason: message }, 'namespace_not_written');
    this.#problem = `network ${network.name} is not balanced as it should be: ${message}`;
    this.#written = undefined;
    this.#prepared = '';
    const delayMs = Math.min(retryMs.first * 2 ** Math.min(this.#failures, 10), retryMs.most);
    this.#failures += 1;
    this.#retry?.cancel();
    this.#retry = clock.after(delayMs, () => void this.#work());
  }

  async #write({ network, desired }: Wanted): Promise<Applied> {
    const { backend, commands } = this.#options;
    const { namespace } = network;
    if (this.#prepared !== namespace) {
      const settings = await setSysctls(commands, namespace, namespaceSysctls);
      if (settings.kind === 'failed') return settings;
      this.#prepared = namespace;
    }
    const before = this.#written?.desired;
    const found =
      before === undefined ? await backend.read(namespace, desired.balancing) : before.balancing;
    const present = before === undefined ? found : backend.asRead(before.balancing);
    const want = backend.asRead(desired.balancing);
    if (present === undefined || !sameBalancing(present, want)) {
      const outcome = await backend.apply(namespace, found, desired.balancing);
      if (outcome.kind === 'failed') return outcome;
    }
    this.#actual = want;
    const addresses = await this.#writeAddresses(network, desired, before?.virtualIps);
    if (addresses.kind === 'failed') return addresses;
    await this.#forget(
      { network, desired },
      staleFlows(found ?? emptyBalancing, desired.balancing),
    );
    return { kind: 'applied' };
  }

  /** What cannot be forgotten now is tried again with the next change or look, unless its task is back. */
  async #forget({ network, desired }: Wanted, flows: readonly Flow[]): Promise<void> {
    const open = backendAddresses(openOnly(desired.balancing));
    const left = this.#toForget.filter((flow) => flow.kind === 'front' || !open.has(flow.address));
    const all = [...left, ...flows].slice(0, flowsForgottenMax);
    this.#flowProblem = await forgetFlows(this.#options.commands, network.namespace, all);
    this.#toForget = this.#flowProblem === undefined ? [] : all;
  }

  async #writeAddresses(
    network: HostNetwork,
    desired: DesiredNetwork,
    before: readonly string[] | undefined,
  ): Promise<Applied> {
    const { commands } = this.#options;
    const have = before ?? (await readVirtualIps(commands, network));
    if (have === undefined) {
      return { kind: 'failed', message: `there is no bridge in ${network.namespace}` };
    }
    return applyVirtualIps(commands, network.namespace, have, desired.virtualIps);
  }

  #pause(ms: number): Promise<void> {
    return pause(this.#options.clock, ms);
  }
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, at) => text === b[at]);
}

/**
 * Flows that must find a new way: all to backends that are gone; those of UDP, which know no end, also to
 * backends that only drain; those of UDP that began before their service had anybody, and those to a port of a
 * backend that the service left for another.
 */
export function staleFlows(have: Balancing, want: Balancing): readonly Flow[] {
  const open = backendAddresses(openOnly(have));
  const stillOpen = backendAddresses(openOnly(want));
  const stillThere = backendAddresses(want);
  const flows: Flow[] = [];
  for (const address of backendAddresses(have)) {
    if (!stillThere.has(address)) flows.push({ kind: 'backend', address });
    else if (open.has(address) && !stillOpen.has(address)) {
      flows.push({ kind: 'backend', address, protocol: 'udp' });
    }
  }
  const before = openOnly(have).servers;
  for (const [key, { front, backends }] of openOnly(want).servers) {
    if (front.kind === 'port' && front.protocol !== 'udp') continue;
    const left = before.get(key);
    if (left !== undefined && !hasLeftPort(left.backends, backends, stillOpen)) continue;
    if (front.kind === 'address') {
      const family = front.address.includes(':') ? 6 : 4;
      flows.push({ kind: 'front', protocol: 'udp', address: front.address, family });
    } else {
      flows.push({ kind: 'front', protocol: 'udp', port: front.port, family: front.family });
    }
  }
  return flows;
}

function hasLeftPort(
  before: readonly Backend[],
  now: readonly Backend[],
  stillOpen: ReadonlySet<string>,
): boolean {
  const there = new Set(now.map(({ address, port }) => `${address} ${port}`));
  return before.some(
    ({ address, port }) => stillOpen.has(address) && !there.has(`${address} ${port}`),
  );
}
