import { isDeepStrictEqual } from 'node:util';
import { Metadata } from '@grpc/grpc-js';
import type {
  AttachContainerRequest,
  AttachContainerResponse,
  AttachResponse,
  DispatcherClient,
} from '@shoal/proto';
import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import { addressOf, decodeEndpointRecord, type EndpointRecord } from '@shoal/state';
import type { Attached, Attachments, Ensured, HeldAttachment } from './ports.ts';

/** Longest wait for a dispatcher's answer, milliseconds: below the engine's patience with plugins. */
const answerMsMax = 4_500;
/** How long an address is kept for a container that was announced and did not come, milliseconds. */
const announcedMsMax = 5 * 60_000;
/** Addresses kept for announced containers at the same time. */
const announcedMax = 64;

export interface ContainerAttachmentsOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ensure: (networkId: string) => Promise<Ensured>;
  /** Whom containers of the network ask for names. */
  readonly nameservers: (networkId: string) => readonly string[];
  readonly publish: (record: EndpointRecord) => void;
  readonly withdraw: (networkId: string, endpointId: string) => void;
  /** Takes the container that has the attachment out of its network. */
  readonly evict: (attachmentId: string) => void;
}

interface Announced {
  readonly record: EndpointRecord;
  readonly addresses: readonly string[];
  readonly end: Timer;
}

/** A place in a network, from a manager. */
type Granted =
  | {
      readonly kind: 'ok';
      readonly record: EndpointRecord;
      readonly addresses: readonly string[];
    }
  | { readonly kind: 'failed'; readonly message: string };

/** Containers that people run by hand in attachable networks: each has an attachment of this node. */
export class ContainerAttachments implements Attachments {
  readonly #options: ContainerAttachmentsOptions;
  readonly #records = new Map<string, EndpointRecord>();
  /** Announced and not yet there, by attachment. */
  readonly #announced = new Map<string, Announced>();
  /** Names that a manager has confirmed, by attachment. */
  readonly #confirmed = new Map<string, string>();
  #client: DispatcherClient | undefined;
  /** Address of the own tunnel end; empty while it is not known. */
  #vtep = '';

  constructor(options: ContainerAttachmentsOptions) {
    this.#options = options;
  }

  /** Ids of all attachments, also announced ones, that are not to be cleared away. */
  get ids(): readonly string[] {
    return [...this.#records.keys(), ...this.#announced.keys()];
  }

  /** The session that is open. */
  session(client: DispatcherClient | undefined): void {
    this.#client = client;
    if (client === undefined) return;
    // The managers give up what a host has that is away for a day.
    this.#confirmed.clear();
    for (const record of this.#records.values()) this.#tellName(record);
  }

  get records(): readonly EndpointRecord[] {
    return [...this.#records.values()];
  }

  /** Where other hosts reach this one from now on. */
  set vtep(vtep: string) {
    this.#vtep = vtep;
    for (const [id, record] of this.#records) this.#records.set(id, { ...record, vtep });
  }

  /** Takes in the record of a container from before the restart. */
  restore(record: EndpointRecord): void {
    this.#records.set(record.endpointId, record);
  }

  /** Containers of the network that are there; those that the driver does not name are gone. */
  present(networkId: string, endpointIds: ReadonlySet<string>): void {
    for (const [id, record] of this.#records) {
      if (record.networkId === networkId && !endpointIds.has(id)) this.detach(id);
    }
  }

  /** A container will be run in the network: makes sure that the network is here. */
  async announce(network: string): Promise<AttachResponse> {
    if (this.#announced.size >= announcedMax) return problem('too many containers are announced');
    const granted = await this.#grant({ networkId: network });
    if (granted.kind === 'failed') return problem(granted.message);
    const { record, addresses } = granted;
    const id = record.endpointId;
    const end = this.#options.clock.after(announcedMsMax, () => this.#forget(id));
    this.#announced.set(id, { record, addresses, end });
    const ensured = await this.#options.ensure(record.networkId);
    if (ensured.kind === 'ok') {
      const nameservers = [...this.#options.nameservers(record.networkId)];
      return { engineNetwork: ensured.engineNetwork, problem: '', nameservers };
    }
    this.#forget(id);
    return problem(ensured.message);
  }

  async attach(networkId: string, wanted?: string): Promise<Attached> {
    const announced = this.#take(networkId, wanted);
    if (announced !== undefined) return announced;
    const granted = await this.#grant({ networkId, ...(wanted === undefined ? {} : { wanted }) });
    if (granted.kind === 'failed') return granted;
    return this.#attached(granted.record, granted.addresses);
  }

  /** What was kept of it may be older than the container: it holds its address all the same. */
  held({ networkId, endpointId, addresses }: HeldAttachment): void {
    if (this.#records.has(endpointId)) return;
    const record: EndpointRecord = {
      networkId,
      endpointId,
      kind: 'container',
      nodeId: this.#options.nodeId,
      vtep: this.#vtep,
      addresses: addresses.map(addressOf),
      name: '',
      containerAliases: [],
      slot: 0,
      serving: true,
    };
    this.#records.set(endpointId, record);
    if (this.#vtep !== '') this.#options.publish(record);
  }

  named(attachmentId: string, name: string, aliases: readonly string[]): void {
    const record = this.#records.get(attachmentId);
    if (record === undefined) return;
    const named = { ...record, name, containerAliases: aliases, serving: true };
    if (!isDeepStrictEqual(named, record)) {
      this.#records.set(attachmentId, named);
      this.#options.publish(named);
    }
    this.#tellName(named);
  }

  detach(attachmentId: string): void {
    const record = this.#records.get(attachmentId);
    if (record === undefined) return;
    this.#records.delete(attachmentId);
    this.#confirmed.delete(attachmentId);
    this.#options.withdraw(record.networkId, attachmentId);
    this.#release(attachmentId);
  }

  stop(): void {
    for (const { end } of this.#announced.values()) end.cancel();
  }

  /** Until a manager has it, this is tried again: other hosts' names come from the log. */
  #tellName({ networkId, endpointId: attachmentId, name, addresses }: EndpointRecord): void {
    if (name === (this.#confirmed.get(attachmentId) ?? '')) return;
    // One address can be asked for: that of the other family would be another than the container's.
    const [address = '', ...others] = addresses;
    const wanted = others.length === 0 ? address : '';
    void this.#request({ networkId, attachmentId, name, wanted }).then((answer) => {
      const { problem: reason, givenAway } = answer;
      if (reason !== '')
        this.#options.logger.warn({ attachment: attachmentId, reason }, 'container_not_named');
      if (!this.#records.has(attachmentId)) return;
      if (givenAway) this.#lose(attachmentId, networkId, wanted);
      else if (reason === '') this.#confirmed.set(attachmentId, name);
    });
  }

  /** Two that answer to one address would both be reached, now and then. */
  #lose(attachmentId: string, networkId: string, address: string): void {
    this.#records.delete(attachmentId);
    this.#confirmed.delete(attachmentId);
    this.#options.withdraw(networkId, attachmentId);
    this.#options.evict(attachmentId);
    this.#options.logger.warn(
      { attachment: attachmentId, network: networkId, address },
      'container_address_lost',
    );
  }

  #take(networkId: string, wanted: string | undefined): Attached | undefined {
    for (const [id, { record, addresses, end }] of this.#announced) {
      const fits = wanted === undefined || addresses.map(addressOf).includes(wanted);
      if (record.networkId !== networkId || !fits) continue;
      end.cancel();
      this.#announced.delete(id);
      return this.#attached(record, addresses);
    }
    return undefined;
  }

  #attached(told: EndpointRecord, addresses: readonly string[]): Attached {
    // The manager may not know of a new address of this host yet.
    const record = this.#vtep === '' ? told : { ...told, vtep: this.#vtep };
    this.#records.set(record.endpointId, record);
    this.#options.publish(record);
    return { kind: 'ok', attachmentId: record.endpointId, addresses };
  }

  #forget(attachmentId: string): void {
    this.#announced.get(attachmentId)?.end.cancel();
    if (this.#announced.delete(attachmentId)) this.#release(attachmentId);
  }

  /** What a lost call leaves behind goes when the dispatcher hears which attachments there are. */
  #release(attachmentId: string): void {
    const deadline = this.#options.clock.now() + answerMsMax;
    const request = { attachmentId };
    this.#client?.detachContainer(request, new Metadata(), { deadline }, () => undefined);
  }

  async #grant(wanted: Partial<AttachContainerRequest>): Promise<Granted> {
    const { problem: message, attachmentId, addresses, record } = await this.#request(wanted);
    if (message !== '') return { kind: 'failed', message };
    const decoded = decodeEndpointRecord(record);
    if (decoded.kind === 'ok') return { kind: 'ok', record: decoded.value, addresses };
    this.#release(attachmentId);
    return { kind: 'failed', message: `the manager's answer cannot be read: ${decoded.message}` };
  }

  #request(given: Partial<AttachContainerRequest>): Promise<AttachContainerResponse> {
    const client = this.#client;
    const request = { networkId: '', attachmentId: '', name: '', wanted: '', ...given };
    const refused = (reason: string): AttachContainerResponse => ({
      attachmentId: '',
      addresses: [],
      record: Buffer.alloc(0),
      problem: reason,
      givenAway: false,
    });
    if (client === undefined) return Promise.resolve(refused('no manager can be reached'));
    const deadline = this.#options.clock.now() + answerMsMax;
    return new Promise((resolve) => {
      client.attachContainer(request, new Metadata(), { deadline }, (error, answer) => {
        resolve(error === null ? answer : refused(errorMessage(error)));
      });
    });
  }
}

/** Why a container cannot join. */
export function problem(text: string): AttachResponse {
  return { engineNetwork: '', problem: text, nameservers: [] };
}
