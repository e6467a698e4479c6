import { isDeepStrictEqual } from 'node:util';
import { type EncryptedHost, encryptedUnderlayMtu } from '@shoal/overlay';
import type { Logger } from '@shoal/runtime';
import { type Commands, namespacePathOf } from '../commands.ts';
import type { OverlayMetrics } from '../metrics.ts';
import { type Done, removeNamespace } from '../network-namespace.ts';
import { readLinks, type SeenLink } from '../seen.ts';
import type { TunnelKey } from './tunnel-key.ts';
import { asRange, distinctHosts, knowsAll, readDump, renderConfig } from './wireguard.ts';

/** The device that encrypts, one for all networks of a host. */
const device = 'shwg0';
const sysctls = [
  'net/ipv4/conf/all/rp_filter=0',
  'net/ipv4/conf/default/rp_filter=0',
  'net/ipv4/conf/all/send_redirects=0',
];
const ok: Done = { kind: 'ok' };
const missingNamespace = /Cannot open network namespace/;
const leftOver = /File exists/;
const takenPort = /Address already in use/;

export interface EncryptedUnderlayOptions {
  readonly commands: Commands;
  /** Name of its namespace; nobody else's. */
  readonly namespace: string;
  readonly key: TunnelKey;
  /** UDP port of the host. */
  readonly port: number;
  readonly logger: Logger;
  readonly metrics: OverlayMetrics;
}

/** What there must be of it now. */
export interface EncryptedUnderlayPlan {
  /** This host's tunnel end. */
  readonly vtep: string;
  readonly underlayMtu: number;
  readonly hosts: readonly EncryptedHost[];
}

/**
 * The way between hosts for the tunnels of encrypted networks: a namespace in which a WireGuard device is
 * all there is. The device was made in the host's namespace and sends its packets there, encrypted; what is
 * sent here has no other way out, and nothing that did not come through it gets in. So neither depends on
 * rules that somebody could take away. Tunnel ends have the same addresses here as on the host.
 *
 * Calls must come one after the other.
 */
export class EncryptedUnderlay {
  readonly #options: EncryptedUnderlayOptions;
  /** What was last written; undefined: the kernel may have anything. */
  #written: EncryptedUnderlayPlan | undefined;

  constructor(options: EncryptedUnderlayOptions) {
    this.#options = options;
  }

  get namespace(): string {
    return this.#options.namespace;
  }

  /**
   * Looks at what is there and makes it what it should be.
   * @param isAudit whether it should have been so before.
   */
  async ensure(plan: EncryptedUnderlayPlan, isAudit: boolean): Promise<Done> {
    const { logger, metrics, namespace } = this.#options;
    const wanted = { ...plan, hosts: distinctHosts([plan.hosts]) };
    const looked = await this.#look();
    if (looked.kind === 'failed') return looked;
    const changed = this.#written !== undefined && !isDeepStrictEqual(this.#written, wanted);
    const isRight =
      !changed && isUp(looked.link, wanted) && (await this.#knowsAll(wanted.hosts)) === true;
    if (!isRight) {
      this.#written = undefined;
      const made = await this.#make(looked, wanted);
      if (made.kind === 'failed') return made;
      if (isAudit && !changed) {
        metrics.repaired('encryption');
        logger.warn({ namespace }, 'encryption_repaired');
      }
    }
    this.#written = wanted;
    return ok;
  }

  /** No network needs it any more. */
  async remove(): Promise<Done> {
    this.#written = undefined;
    const { commands, namespace } = this.#options;
    return removeNamespace(commands, namespace, [device]);
  }

  async #look(): Promise<
    | { readonly kind: 'ok'; readonly exists: boolean; readonly link: SeenLink | undefined }
    | { readonly kind: 'failed'; readonly message: string }
  > {
    const { commands, namespace } = this.#options;
    const shown = await commands.show('ip', namespace, ['-d', 'addr', 'show']);
    if (shown.kind === 'ok') {
      return { kind: 'ok', exists: true, link: readLinks(shown.output).get(device) };
    }
    if (!missingNamespace.test(shown.message)) return shown;
    return { kind: 'ok', exists: false, link: undefined };
  }

  async #knowsAll(hosts: readonly EncryptedHost[]): Promise<boolean> {
    const { commands, namespace, key, port } = this.#options;
    const shown = await commands.wireguard(namespace, ['show', device, 'dump']);
    const seen = shown.kind === 'ok' ? readDump(shown.output) : undefined;
    return seen !== undefined && knowsAll(seen, { key, port, hosts });
  }

  async #make(
    { exists, link }: { readonly exists: boolean; readonly link: SeenLink | undefined },
    plan: EncryptedUnderlayPlan,
  ): Promise<Done> {
    const { commands, namespace, key, port } = this.#options;
    if (!exists) {
      const made = await commands.ip(undefined, [`netns add ${namespace}`]);
      if (made.kind === 'failed') return made;
      const set = await commands.sysctl(namespacePathOf(namespace), sysctls);
      if (set.kind === 'failed') return set;
    }
    if (link === undefined) {
      const made = await this.#makeDevice();
      if (made.kind === 'failed') return made;
    }
    const config = renderConfig({ key, port, hosts: plan.hosts });
    const told = await commands.wireguard(
      namespace,
      ['syncconf', device, '/proc/self/fd/0'],
      config,
    );
    if (told.kind === 'failed') return told;
    const set = await commands.ip(namespace, linkLines(link, plan));
    if (set.kind === 'ok') return ok;
    if (!takenPort.test(set.message)) return set;
    return { kind: 'failed', message: `another program of this host has UDP port ${port}` };
  }

  /** Made in the host's namespace: there its packets leave, wherever it is moved to. */
  async #makeDevice(): Promise<Done> {
    const { commands, namespace } = this.#options;
    const lines = [`link add ${device} type wireguard`, `link set ${device} netns ${namespace}`];
    const made = await commands.ip(undefined, lines);
    if (made.kind === 'ok') return ok;
    if (!leftOver.test(made.message)) return made;
    // An agent was killed between the two.
    const again = await commands.ip(undefined, [`link del ${device}`, ...lines]);
    return again.kind === 'ok' ? ok : again;
  }
}

function isUp(link: SeenLink | undefined, { vtep, underlayMtu }: EncryptedUnderlayPlan): boolean {
  return (
    link?.up === true &&
    link.mtu === encryptedUnderlayMtu(underlayMtu) &&
    isDeepStrictEqual(link.addresses, [asRange(vtep)])
  );
}

function linkLines(
  link: SeenLink | undefined,
  { vtep, underlayMtu }: EncryptedUnderlayPlan,
): readonly string[] {
  const own = asRange(vtep);
  const stale = (link?.addresses ?? []).filter((address) => address !== own);
  const [everywhere, nodad] = vtep.includes(':') ? ['::/0', ' nodad'] : ['0.0.0.0/0', ''];
  return [
    'link set lo up',
    ...stale.map((address) => `addr del ${address} dev ${device}`),
    `addr replace ${own} dev ${device}${nodad}`,
    `link set ${device} mtu ${encryptedUnderlayMtu(underlayMtu)} up`,
    `route replace ${everywhere} dev ${device}`,
  ];
}
