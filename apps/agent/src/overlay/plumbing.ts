import type { NodeNetwork } from '@shoal/overlay';
import { errorMessage } from '@shoal/runtime';
import { addressOf, familyOf } from '@shoal/state';
import type { Attachments } from '../network/ports.ts';
import type { BuiltNetworks } from './built-networks.ts';
import { hardwareAddress, isInSubnet } from './layout.ts';
import type { AddressBook } from './plugin/ipam-driver.ts';
import type {
  EndpointPlumbing,
  JoinAnswer,
  NewEndpoint,
  Outcome,
} from './plugin/network-driver.ts';
import type { Registry } from './registry.ts';
import { isLive } from './sandbox.ts';
import type { AttachmentPlan, PluggedEndpoint, TaskPlan } from './state-file.ts';
import { upstream } from './upstreams.ts';

export interface PlumbingOptions {
  readonly registry: Registry;
  readonly built: BuiltNetworks;
  /** Undefined while containers cannot be run by hand. */
  readonly attachments: () => Attachments | undefined;
  /** Containers of the network came or went. */
  readonly changed: (networkId: string) => void;
  /** The engine has begun to talk with us. */
  readonly activated: () => void;
  /** An endpoint was made, its container will join next. */
  readonly expected: (networkId: string) => void;
  /** A container run by hand is about to be there; the engine knows its name. */
  readonly unnamed: (networkId: string) => void;
  /** The engine has no such network any more. */
  readonly dropped: (networkId: string) => void;
  /** A network may be without containers now. */
  readonly left: (networkId: string) => void;
}

/** What the engine asks of its network and address driver, from what is known here. */
export class Plumbing implements EndpointPlumbing, AddressBook {
  readonly #options: PlumbingOptions;
  /** Addresses of attachments that the engine has not asked for yet: it asks for each family alone. */
  readonly #others = new Map<string, readonly string[]>();

  constructor(options: PlumbingOptions) {
    this.#options = options;
  }

  activated(): void {
    this.#options.activated();
  }

  network(networkId: string): NodeNetwork | undefined {
    return this.#options.registry.network(networkId);
  }

  async networkCreated(engineId: string, networkId: string): Promise<Outcome<undefined>> {
    const { registry } = this.#options;
    if (registry.network(networkId) === undefined) return notHere(networkId);
    registry.bind(engineId, networkId);
    return this.#keep('network');
  }

  /** Resolves when all that was told is on the disk. */
  async #keep(what: string): Promise<Outcome<undefined>> {
    try {
      await this.#options.registry.durable();
    } catch (error) {
      return failed(`cannot keep the ${what}: ${errorMessage(error)}`);
    }
    return { kind: 'ok', value: undefined };
  }

  networkDeleted(engineId: string): void {
    const { registry, dropped } = this.#options;
    const network = registry.networkOf(engineId);
    registry.unbind(engineId);
    if (network !== undefined) dropped(network.id);
  }

  endpointCreated({ engineNetworkId, id, mac, ...given }: NewEndpoint): Outcome<string> {
    const { registry, expected } = this.#options;
    const network = registry.networkOf(engineNetworkId);
    if (network === undefined) return notHere(engineNetworkId);
    const addresses = [...given.addresses];
    if (addresses.length === 0) return failed('an endpoint needs an address');
    const own = hardwareAddress(addresses);
    if (mac !== '' && mac.toLowerCase() !== own) {
      return failed('a container cannot choose its hardware address in an overlay network');
    }
    const upstreams = given.nameservers.map(upstream);
    registry.putEndpoint({ id, networkId: network.id, addresses, mac: own, upstreams });
    expected(network.id);
    return { kind: 'ok', value: own };
  }

  endpointDeleted(id: string): void {
    const { registry, left } = this.#options;
    const endpoint = registry.endpoint(id);
    if (endpoint === undefined) return;
    this.leave(id);
    registry.deleteEndpoint(id);
    left(endpoint.networkId);
  }

  /** The engine has let go of an endpoint without a word: nor does it give its address back. */
  lost(id: string): void {
    const { registry } = this.#options;
    const endpoint = registry.endpoint(id);
    if (endpoint === undefined) return;
    this.endpointDeleted(id);
    const attached = registry.attachmentAt(endpoint.networkId, endpoint.addresses[0] ?? '');
    // Its container may have come back with the same address.
    if (attached !== undefined && !registry.isHeld(attached)) this.detach(attached.endpointId);
  }

  async join(id: string, sandbox: string): Promise<Outcome<JoinAnswer>> {
    const { registry, built, unnamed } = this.#options;
    const endpoint = registry.endpoint(id);
    const network = registry.network(endpoint?.networkId ?? '');
    if (endpoint === undefined || network === undefined) return failed(`no endpoint ${id}`);
    // Before its interface is there: a repair takes away those that nobody is known to have.
    registry.putEndpoint({ ...endpoint, sandbox });
    const attached = registry.attachmentAt(network.id, endpoint.addresses[0] ?? '');
    // Nobody else knows who has an attachment's address: a crash must not give it back.
    const keeping = attached === undefined ? undefined : this.#keep('endpoint');
    const [plugged, kept] = await Promise.all([built.plug(id), keeping]);
    if (registry.endpoint(id)?.sandbox !== sandbox) {
      built.unplug(endpoint.networkId, id);
      return failed('the container is gone');
    }
    if (kept?.kind === 'failed') {
      registry.putEndpoint(endpoint);
      built.unplug(network.id, id);
      return kept;
    }
    if (plugged.kind === 'failed' || plugged.device === undefined) {
      registry.putEndpoint(endpoint);
      return failed(plugged.kind === 'failed' ? plugged.message : 'no interface');
    }
    built.programPeers(network.id);
    this.#changed(sandbox);
    if (attached !== undefined) {
      this.#options.attachments()?.held(attached);
      unnamed(network.id);
    }
    const subnets = otherSubnets(network, endpoint.addresses);
    return { kind: 'ok', value: { device: plugged.device, subnets } };
  }

  leave(id: string): void {
    const { registry, built } = this.#options;
    const endpoint = registry.endpoint(id);
    if (endpoint?.sandbox === undefined) return;
    const { sandbox, ...rest } = endpoint;
    const affected = registry.networksIn(sandbox);
    registry.putEndpoint(rest);
    built.unplug(endpoint.networkId, id);
    for (const networkId of affected) this.#options.changed(networkId);
  }

  /** Each network of a container tells in which others it is. */
  #changed(sandbox: string): void {
    for (const networkId of this.#options.registry.networksIn(sandbox)) {
      this.#options.changed(networkId);
    }
  }

  async give(networkId: string, subnet: string, wanted: string): Promise<Outcome<string>> {
    const { registry } = this.#options;
    const network = registry.network(networkId);
    if (network === undefined) return notHere(networkId);
    const prefix = subnet.slice(subnet.indexOf('/'));
    if (wanted !== '') {
      if (await this.#isInUse(networkId, wanted)) return failed('Address already in use');
      const known = registry.taskAt(networkId, wanted) ?? registry.attachmentAt(networkId, wanted);
      if (known !== undefined) return { kind: 'ok', value: `${wanted}${prefix}` };
    } else {
      const other = this.#takeOther(networkId, subnet);
      if (other !== undefined) return { kind: 'ok', value: `${other}${prefix}` };
    }
    return this.#attach(network, subnet, wanted);
  }

  async #attach(network: NodeNetwork, subnet: string, wanted: string): Promise<Outcome<string>> {
    const attachments = this.#options.attachments();
    if (!network.attachable || attachments === undefined) {
      return failed(`network ${network.name} not manually attachable`);
    }
    const given = await attachments.attach(network.id, wanted === '' ? undefined : wanted);
    if (given.kind === 'failed') return given;
    const addresses = [...given.addresses];
    this.#given({ networkId: network.id, addresses, endpointId: given.attachmentId });
    const own = addresses.find((address) => isInSubnet(subnet, address));
    if (own === undefined) {
      this.detach(given.attachmentId);
      return failed(`network ${network.name} has no free address in ${subnet}`);
    }
    this.#others.set(
      network.id,
      addresses.filter((address) => familyOf(address) !== familyOf(own)),
    );
    return { kind: 'ok', value: `${addressOf(own)}${subnet.slice(subnet.indexOf('/'))}` };
  }

  /** By a container that is there; one that starts again has been taken out before. */
  async #isInUse(networkId: string, address: string): Promise<boolean> {
    for (const { addresses, sandbox = '' } of this.#options.registry.joined(networkId)) {
      const isHere = addresses.some((each) => addressOf(each) === address);
      if (isHere && (await isLive(sandbox))) return true;
    }
    return false;
  }

  /** Tells of the containers run by hand that are there. */
  resume(attachments: Attachments): void {
    const { registry } = this.#options;
    for (const { networkId, addresses, sandbox } of registry.endpoints) {
      const attached = registry.attachmentAt(networkId, addresses[0] ?? '');
      if (sandbox !== undefined && attached !== undefined) attachments.held(attached);
    }
  }

  /** Asks for the address that a container has and nobody is known to have given. */
  async adopt({ id, networkId, addresses }: PluggedEndpoint): Promise<Outcome<undefined>> {
    const { registry } = this.#options;
    const network = registry.network(networkId);
    const attachments = this.#options.attachments();
    const [address] = addresses;
    if (network?.attachable !== true || attachments === undefined || address === undefined) {
      return failed('no container may be attached');
    }
    const families = new Set(network.subnets.map(({ subnet }) => familyOf(subnet)));
    // One address can be asked for: that of the other family would be another than the container's.
    if (families.size > 1) return failed(`network ${network.name} has addresses of both families`);
    const given = await attachments.attach(networkId, addressOf(address));
    if (given.kind === 'failed') return given;
    if (registry.endpoint(id)?.sandbox === undefined) {
      attachments.detach(given.attachmentId);
      return failed('the container is gone');
    }
    this.#given({
      networkId,
      addresses: [...given.addresses],
      endpointId: given.attachmentId,
    });
    return { kind: 'ok', value: undefined };
  }

  /** The engine makes one endpoint of a network at a time, its IPv6 address right after the other. */
  #takeOther(networkId: string, subnet: string): string | undefined {
    const waiting = this.#others.get(networkId) ?? [];
    const taken = waiting.find((address) => isInSubnet(subnet, address));
    if (taken !== undefined) this.#others.delete(networkId);
    return taken === undefined ? undefined : addressOf(taken);
  }

  release(networkId: string, address: string): void {
    const found = this.#options.registry.attachmentAt(networkId, address);
    if (found === undefined) return;
    this.#others.delete(networkId);
    this.detach(found.endpointId);
  }

  /** The addresses of the plan are the task's from now on. */
  plan(task: TaskPlan): void {
    this.#displaced(this.#options.registry.planTask(task));
  }

  /** Plans a task whose container is there already, as far as its plan was lost. True if it was. */
  claim(task: TaskPlan): boolean {
    const { registry, changed } = this.#options;
    if (registry.taskIds.includes(task.taskId)) return false;
    this.plan(task);
    for (const { networkId } of task.networks) changed(networkId);
    return true;
  }

  #given(attachment: AttachmentPlan): void {
    this.#displaced(this.#options.registry.attach(attachment));
  }

  #displaced(attachmentIds: readonly string[]): void {
    for (const id of attachmentIds) this.#options.attachments()?.detach(id);
  }

  /** The addresses of the attachment are somebody else's: the container that has them is unplugged. */
  evict(attachmentId: string): void {
    const { registry } = this.#options;
    const found = registry.attachments.find(({ endpointId }) => endpointId === attachmentId);
    if (found === undefined) return;
    const lost = new Set(found.addresses.map(addressOf));
    for (const { id, addresses } of registry.joined(found.networkId)) {
      if (addresses.some((each) => lost.has(addressOf(each)))) this.leave(id);
    }
    registry.detach(attachmentId);
  }

  /** Nobody has the address of the attachment any more. */
  detach(attachmentId: string): void {
    this.#options.registry.detach(attachmentId);
    this.#options.attachments()?.detach(attachmentId);
  }
}

/** Subnets of the network besides the endpoint's own; all of them are on the same bridge. */
function otherSubnets(network: NodeNetwork, addresses: readonly string[]): readonly string[] {
  const families = new Set(addresses.map(familyOf));
  return network.subnets
    .map(({ subnet }) => subnet)
    .filter((subnet) => families.has(familyOf(subnet)))
    .filter((subnet) => !addresses.some((address) => isInSubnet(subnet, address)));
}

function failed(message: string): { readonly kind: 'failed'; readonly message: string } {
  return { kind: 'failed', message };
}

function notHere(networkId: string): { readonly kind: 'failed'; readonly message: string } {
  return failed(`the swarm has no network ${networkId} on this host`);
}
