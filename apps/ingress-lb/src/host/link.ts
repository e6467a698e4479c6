import { isDeepStrictEqual } from 'node:util';
import type { HostNetwork } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import type { Logger } from '@shoal/runtime';
import type { DesiredNetwork } from '../desired/desired.ts';
import { type Flow, flowsForgottenMax, forgetFlows } from '../kernel/connections.ts';
import { applyRules } from '../nftables/backend.ts';
import { allowForwarding, forbidForwarding } from './forwarding.ts';
import { ensureLeg, type LegPlan, removeLeg } from './leg.ts';
import { type HeldPort, type PortHolder, type PublishedPort, portText } from './ports.ts';
import {
  type HostGuard,
  type HostPorts,
  hostTable,
  noPorts,
  readHostPorts,
  renderHostTable,
} from './table.ts';

export interface HostLinkOptions {
  readonly commands: KernelCommands;
  readonly logger: Logger;
  readonly ports: PortHolder;
  readonly leg: LegPlan;
  readonly host?: string | undefined;
}

interface Published {
  readonly network: HostNetwork;
  readonly wanted: WantedPorts;
}

/** Every published port has a listener; to those of the kernel nothing comes. */
interface WantedPorts {
  readonly held: readonly HeldPort[];
  readonly kernel: HostPorts;
}

/** What the host has of our table; one that cannot be read is there all the same. */
type Found = HostPorts | 'none' | 'unreadable';

function portsOf(found: Found): HostPorts | undefined {
  return typeof found === 'string' ? undefined : found;
}

type PortFlow = Extract<Flow, { kind: 'front' }>;

/** The host's side of the routing mesh: the link into the ingress network and what goes through it. */
export class HostLink {
  readonly #options: HostLinkOptions;
  #published: Published | undefined;
  /** What the host's table has; undefined when it may have anything. */
  #written: HostPorts | undefined;
  #linked = false;
  /** Of former changes too, for want of the tool; by family and port. */
  readonly #toForget = new Map<string, PortFlow>();
  #portProblems: readonly string[] = [];
  #problem: string | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: HostLinkOptions) {
    this.#options = options;
  }

  get problems(): readonly string[] {
    return [...this.#portProblems, ...(this.#problem === undefined ? [] : [this.#problem])];
  }

  /** Leads the published ports of `desired` into the network; one at a time. */
  publish(network: HostNetwork, desired: DesiredNetwork): Promise<void> {
    const published = { network, wanted: publishedPorts(desired) };
    return this.#inTurn(async () => {
      const same =
        this.#linked &&
        this.#portProblems.length === 0 &&
        this.#published?.network.namespace === network.namespace &&
        isDeepStrictEqual(this.#published.wanted, published.wanted);
      this.#published = published;
      if (!same) await this.#write();
    });
  }

  /** Compares with the kernel and repairs; says whether something was different. */
  audit(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#published === undefined) return false;
      const before = this.#written;
      const found = portsOf(await this.#readTable());
      const same =
        before !== undefined &&
        found !== undefined &&
        isDeepStrictEqual(sorted(found), sorted(before));
      this.#written = found;
      this.#linked = false;
      await this.#write();
      if (!same && before !== undefined) this.#options.logger.warn({}, 'host_repaired');
      return !same && before !== undefined;
    });
  }

  /** Takes everything away: the host is in no swarm. */
  clear(): Promise<void> {
    return this.#inTurn(async () => {
      const { commands, host, leg, ports } = this.#options;
      const before = this.#written ?? portsOf(await this.#readTable());
      this.#published = undefined;
      this.#written = undefined;
      this.#linked = false;
      this.#portProblems = [];
      this.#problem = undefined;
      await ports.hold([]);
      await applyRules(commands, host, `table ${hostTable}\ndelete table ${hostTable}\n`);
      await this.#forget(changedFlows(before ?? noPorts, noPorts));
      // Nothing of ours is left that would try it again.
      this.#toForget.clear();
      await forbidForwarding(commands, host, leg.hostDevice);
      await removeLeg(commands, host, leg);
    });
  }

  async #write(): Promise<void> {
    if (this.#published === undefined) return;
    const { network, wanted } = this.#published;
    const { commands, host, leg: plan, ports: holder, logger } = this.#options;
    const refused = await holder.hold(wanted.held);
    this.#portProblems = [...refused.values()].sort();
    // A port that another program has stays with it.
    const ports = without(wanted.kernel, new Set(refused.keys()));
    const found = this.#written ?? (await this.#readTable());
    // Without any published port a host has nothing of this.
    if (found === 'none' && wanted.held.length === refused.size) {
      this.#problem = undefined;
      return;
    }
    const before = portsOf(found);
    const ipv6 = network.subnets.some(({ subnet }) => subnet.includes(':'));
    const { namespace } = network;
    const outcome = await ensureLeg({ commands, host, namespace, plan, ipv6 });
    const rules =
      outcome.kind === 'failed' ||
      (before !== undefined && isDeepStrictEqual(sorted(before), sorted(ports)))
        ? outcome
        : await applyRules(commands, host, renderHostTable(ports, plan));
    if (rules.kind === 'failed') {
      this.#written = undefined;
      this.#linked = false;
      this.#problem = `published ports do not work on this host: ${rules.message}`;
      logger.error({ reason: rules.message }, 'ports_not_published');
      return;
    }
    this.#written = ports;
    this.#linked = true;
    const forgotten = await this.#forget(changedFlows(before ?? noPorts, ports));
    this.#problem = (await allowForwarding(commands, host, plan.hostDevice, ipv6)) ?? forgotten;
  }

  /** What cannot be forgotten now is tried again with the next change or look. */
  async #forget(changed: readonly PortFlow[]): Promise<string | undefined> {
    const { commands, host } = this.#options;
    for (const flow of changed) this.#toForget.set(`${flow.family}/${flow.port}`, flow);
    while (this.#toForget.size > 0) {
      const some = [...this.#toForget].slice(0, flowsForgottenMax);
      const flows = some.map(([, flow]) => flow);
      const problem = await forgetFlows(commands, host, flows);
      if (problem !== undefined) return problem;
      for (const [key] of some) this.#toForget.delete(key);
    }
    return undefined;
  }

  async #readTable(): Promise<Found> {
    const { commands, host } = this.#options;
    const args = ['-j', 'list', 'table', ...hostTable.split(' ')];
    const outcome = await commands.run({ program: 'nft', args, namespace: host });
    return outcome.kind === 'done' ? (readHostPorts(outcome.stdout) ?? 'unreadable') : 'none';
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}

function publishedPorts({ balancing, proxied, guards }: DesiredNetwork): WantedPorts {
  const kernel = {
    v4: [] as PublishedPort[],
    v6: [] as PublishedPort[],
    guards: [...guards.values()],
  };
  const held = new Map<string, HeldPort>();
  for (const { front } of balancing.servers.values()) {
    if (front.kind !== 'port') continue;
    const { protocol, port, family } = front;
    const isProxied = protocol === 'tcp' && proxied.has(port);
    held.set(portText(front), { protocol, port, header: isProxied });
    if (!isProxied) (family === 4 ? kernel.v4 : kernel.v6).push({ protocol, port });
  }
  return { kernel, held: [...held.values()] };
}

function without({ v4, v6, guards }: HostPorts, refused: ReadonlySet<string>): HostPorts {
  const keep = (port: PublishedPort): boolean => !refused.has(portText(port));
  return { v4: v4.filter(keep), v6: v6.filter(keep), guards: guards.filter(keep) };
}

function sorted({ v4, v6, guards }: HostPorts): readonly (readonly string[])[] {
  return [...[v4, v6].map((ports) => ports.map(portText).sort()), guards.map(guardText).sort()];
}

function guardText(guard: HostGuard): string {
  return `${portText(guard)} from ${guard.from.join()}`;
}

/**
 * UDP flows to a port that began before it was published must find the way as well; those to one that no longer
 * is must come to whoever has it on the host now, and would go the old way for as long as their client sends. So
 * would those of clients that may not come any more.
 */
function changedFlows(before: HostPorts, now: HostPorts): readonly PortFlow[] {
  const flowsOf = (
    family: 4 | 6,
    one: readonly PublishedPort[],
    other: readonly PublishedPort[],
  ) => {
    const known = new Set(other.map(portText));
    return one
      .filter((each) => each.protocol === 'udp' && !known.has(portText(each)))
      .map(({ port }): PortFlow => ({ kind: 'front', protocol: 'udp', port, family }));
  };
  const known = new Set(before.guards.map(guardText));
  const guarded = now.guards.filter((guard) => !known.has(guardText(guard)));
  return [
    ...flowsOf(4, guarded, []),
    ...flowsOf(6, guarded, []),
    ...flowsOf(4, now.v4, before.v4),
    ...flowsOf(4, before.v4, now.v4),
    ...flowsOf(6, now.v6, before.v6),
    ...flowsOf(6, before.v6, now.v6),
  ];
}
