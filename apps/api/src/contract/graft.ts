import type { FakeFleet } from './fake-fleet.ts';
import type { Reply } from './fleet-hosts.ts';
import { type Exchange, unversioned } from './recording.ts';
import type { Translation } from './translation.ts';

interface Seen {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly PreviousSpec?: unknown;
  readonly Spec: { readonly Name?: string } & Readonly<Record<string, unknown>>;
}

interface NodeSeen extends Seen {
  readonly Description: { readonly Hostname: string };
}

type Kind = 'services' | 'secrets' | 'configs' | 'networks';

/** Content for secrets: an engine never shows it. */
const anyData = Buffer.from('content').toString('base64');

/**
 * The recording is a sample: some of its requests are held back. What they must have done shows in later
 * answers, and is done here before those are asked for.
 */
export class Graft {
  readonly #fleet: FakeFleet;
  readonly #translation: Translation;
  /** By recorded id: the version that was last seen, and at which request. */
  readonly #seen = new Map<string, { readonly index: number; readonly n: number }>();
  readonly #done = new Set<number>();

  /** How the ingress network was made anew. */
  readonly #ingressAsked: object;
  /** Services as they were shown without defaults, by recorded id. */
  readonly #plainly = new Map<string, Seen[]>();

  constructor(fleet: FakeFleet, translation: Translation, recording: readonly Exchange[]) {
    this.#fleet = fleet;
    this.#translation = translation;
    this.#ingressAsked = ingressOf(recording);
    for (const { req, res } of recording) {
      if (kindOf(req.path) !== 'services' || /insertDefaults=true/.test(req.path)) continue;
      const { json } = res.body ?? {};
      for (const each of (Array.isArray(json) ? json : [json]) as readonly Seen[])
        if (each?.Spec !== undefined)
          this.#plainly.set(each.ID, [...(this.#plainly.get(each.ID) ?? []), each]);
    }
  }

  /** What was seen, without the defaults that the engine wrote into it, where those are known. */
  #plain(seen: Seen): Seen {
    const all = this.#plainly.get(seen.ID) ?? [];
    const later = all.filter(({ Version }) => Version.Index >= seen.Version.Index);
    const same = later.find(({ Spec }) => isPartOf(Spec, seen.Spec));
    return { ...seen, Spec: same?.Spec ?? seen.Spec };
  }

  /** Whether the requests between these two are all in the recording. */
  #isWhole(from: number, to: number): boolean {
    for (let n = from + 1; n < to; n += 1) if (!this.#done.has(n)) return false;
    return true;
  }

  /** Gives what could not be done, a line each. */
  async prepare({ n, engine, req, res }: Exchange): Promise<readonly string[]> {
    this.#done.add(n);
    if (engine !== 'n1') return [];
    if (req.method === 'GET' && res.status === 200) await this.#ofCluster(req.path, res.body?.json);
    if (req.method === 'GET' && res.status === 404) await this.#gone(req.path);
    if (/\/services\/create$/.test(req.path) && res.status === 201)
      await this.#ingress(req.body?.json);
    const kind = kindOf(req.path);
    if (req.method !== 'GET' || res.status !== 200 || kind === undefined) return [];
    const { json } = res.body ?? {};
    const isWhole = /^\/services(?:\?status=true)?$/.test(unversioned(req.path));
    const problems: string[] = [];
    if (Array.isArray(json) && isWhole) await this.#removeOthers(json as readonly Seen[]);
    for (const each of Array.isArray(json) ? json : [json])
      await this.#one(kind, each, n).catch((error) => problems.push(String(error)));
    return problems;
  }

  async #one(kind: Kind, object: unknown, n: number): Promise<void> {
    if (kind === 'networks') return this.#network(object as NetworkSeen);
    const seen = object as Seen;
    const known = this.#translation.knows(seen.ID);
    if (known === undefined) await this.#create(kind, this.#plain(seen));
    else if (kind === 'services') await this.#change(seen, known, n);
    this.#seen.set(seen.ID, { index: seen.Version.Index, n });
  }

  async #create(kind: Kind, { ID, Spec }: Seen): Promise<void> {
    await this.#learnTwins(Spec);
    const spec = this.#translation.value(Spec) as object;
    const asked = kind === 'secrets' ? { ...spec, Data: anyData } : spec;
    const made = (await this.#fleet.call('n1', 'POST', `/${kind}/create`, asked)) as { ID: string };
    this.#translation.learn(ID, made.ID);
    await this.#fleet.settle();
  }

  /** Networks of a spec that no answer shows are the cluster's twins of the host's own. */
  async #learnTwins(spec: Seen['Spec']): Promise<void> {
    const { Networks = [] } = (spec['TaskTemplate'] ?? {}) as {
      readonly Networks?: readonly { readonly Target: string }[];
    };
    for (const { Target } of Networks) {
      if (this.#translation.knows(Target) !== undefined) continue;
      const twin = await this.#fleet.call('n1', 'GET', '/networks/host?scope=swarm');
      this.#translation.learn(Target, (twin as NetworkSeen).Id);
    }
  }

  /** A version that nobody has seen, after requests that are held back: an update that nobody has seen. */
  async #change(seen: Seen, id: string, n: number): Promise<void> {
    const { ID, Version } = seen;
    const before = this.#seen.get(ID);
    if (before === undefined || before.index === Version.Index || this.#isWhole(before.n, n))
      return;
    const ours = (await this.#fleet.call('n1', 'GET', `/services/${id}`)) as Seen;
    const { Spec, PreviousSpec } = this.#plain(seen);
    const spec = this.#translation.value(Spec);
    // Names that were made up differ.
    const { Name } = ours.Spec;
    const named = { ...(spec as object), Name };
    if (isPartOf(named, ours.Spec) && isPartOf(ours.Spec, named)) return;
    const previous = this.#translation.value(PreviousSpec ?? null);
    for (const next of [previous, spec])
      if (next !== null) await this.#update(id, { ...(next as object), Name });
  }

  async #ofCluster(path: string, json: unknown): Promise<void> {
    const plain = unversioned(path).split('?')[0] ?? '';
    if (plain === '/swarm') await this.#swarm(json as Seen);
    if (plain === '/swarm/unlockkey') await this.#autolock(json as { readonly UnlockKey: string });
    if (plain === '/nodes') await this.#nodes(json as readonly NodeSeen[]);
    if (/^\/nodes\/[^/]+$/.test(plain)) await this.#nodes([json as NodeSeen]);
  }

  /** A service that was there and is not any more. */
  async #gone(path: string): Promise<void> {
    const id = /\/services\/([0-9a-z]{25})(?:\?|$)/.exec(path)?.[1];
    const ours = id === undefined ? undefined : this.#translation.knows(id);
    if (ours === undefined) return;
    await this.#fleet.call('n1', 'DELETE', `/services/${ours}`).catch(() => undefined);
    await this.#fleet.settle();
  }

  async #swarm({ Spec }: Seen): Promise<void> {
    const ours = (await this.#fleet.call('n1', 'GET', '/swarm')) as Seen;
    if (JSON.stringify(Spec) === JSON.stringify(ours.Spec)) return;
    await this.#fleet.call('n1', 'POST', `/swarm/update?version=${ours.Version.Index}`, Spec);
    await this.#fleet.settle();
  }

  /** Autolock, where a key is shown and there is none yet. */
  async #autolock({ UnlockKey }: { readonly UnlockKey: string }): Promise<void> {
    const ours = (await this.#fleet.call('n1', 'GET', '/swarm')) as Seen;
    const AutoLockManagers = UnlockKey !== '';
    const spec = { ...ours.Spec, EncryptionConfig: { AutoLockManagers } };
    if (JSON.stringify(spec) === JSON.stringify(ours.Spec)) return;
    await this.#fleet.call('n1', 'POST', `/swarm/update?version=${ours.Version.Index}`, spec);
  }

  /** The ingress network, where it was removed and a service publishes ports all the same. */
  async #ingress(spec: unknown): Promise<void> {
    if (!/"PublishedPort"/.test(JSON.stringify(spec))) return;
    const all = (await this.#fleet.call('n1', 'GET', '/networks')) as readonly NetworkSeen[];
    if (all.some(({ Ingress }) => Ingress)) return;
    await this.#fleet.call('n1', 'POST', '/networks/create', this.#ingressAsked);
    await this.#fleet.settle();
  }

  /** Labels and availabilities that somebody gave the nodes. */
  async #nodes(seen: readonly NodeSeen[]): Promise<void> {
    const all = (await this.#fleet.call('n1', 'GET', '/nodes')) as readonly NodeSeen[];
    for (const { Spec, Description } of seen) {
      const ours = all.find((node) => node.Description.Hostname === Description?.Hostname);
      const { Role = '', ...wanted } = Spec;
      if (ours === undefined || ours.Spec['Role'] !== Role) continue;
      if (JSON.stringify({ Role, ...wanted }) === JSON.stringify({ Role, ...ours.Spec })) continue;
      const path = `/nodes/${ours.ID}/update?version=${ours.Version.Index}`;
      await this.#fleet.call('n1', 'POST', path, Spec);
      await this.#fleet.settle();
    }
  }

  async #update(id: string, spec: unknown): Promise<void> {
    const ours = (await this.#fleet.call('n1', 'GET', `/services/${id}`)) as Seen;
    const path = `/services/${id}/update?version=${ours.Version.Index}`;
    await this.#fleet.call('n1', 'POST', path, spec);
    await this.#fleet.settle();
  }

  async #removeOthers(listed: readonly Seen[]): Promise<void> {
    const names = new Set(listed.map(({ Spec }) => Spec.Name));
    const ours = (await this.#fleet.call('n1', 'GET', '/services')) as readonly Seen[];
    const generated = (name = ''): boolean => /^[a-z]+_[a-z]+$/.test(name);
    for (const { ID, Spec } of ours)
      if (!names.has(Spec.Name) && !generated(Spec.Name))
        await this.#fleet.call('n1', 'DELETE', `/services/${ID}`);
    await this.#fleet.settle();
  }

  async #network(seen: NetworkSeen): Promise<void> {
    if (seen?.Scope !== 'swarm' || this.#translation.knows(seen.Id) !== undefined) return;
    const all = (await this.#fleet.call('n1', 'GET', '/networks')) as readonly NetworkSeen[];
    const found = all.find(({ Name, Ingress }) => Name === seen.Name || (Ingress && seen.Ingress));
    if (found !== undefined || seen.Driver === 'bridge' || seen.Name === 'host') return;
    const { Name, Attachable, Internal, Labels, Ingress, EnableIPv6 } = seen;
    const { 'com.docker.network.driver.overlay.vxlanid_list': _vni, ...Options } =
      seen.Options ?? {};
    const Driver = 'overlay';
    const asked = { Name, Driver, Attachable, Internal, Labels, Ingress, EnableIPv6, Options };
    const made = (await this.#fleet.call('n1', 'POST', '/networks/create', asked)) as {
      Id: string;
    };
    this.#translation.learn(seen.Id, made.Id);
    await this.#fleet.settle();
  }

  /** What the answer to a creation teaches. */
  saw({ n, req, res }: Exchange, reply: Reply): void {
    if (req.method !== 'POST' || !req.path.endsWith('/create') || reply.status !== 201) return;
    const { json } = res.body ?? {};
    const was = idOf(json);
    const is = idOf(JSON.parse(reply.text));
    if (was === undefined || is === undefined) return;
    this.#translation.learn(was, is);
    this.#seen.set(was, { index: 0, n });
  }
}

interface NetworkSeen {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Ingress: boolean;
  readonly Attachable: boolean;
  readonly Internal: boolean;
  readonly EnableIPv6: boolean;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Labels: Readonly<Record<string, string>> | null;
}

/** The last ingress network that a task was in. */
function ingressOf(recording: readonly Exchange[]): object {
  const specs = recording.flatMap(({ req, res }) => {
    const { json } = res.body ?? {};
    if (!/\/tasks(?:\?|$)/.test(req.path) || !Array.isArray(json)) return [];
    const tasks = json as readonly { NetworksAttachments?: readonly { Network: Attached }[] }[];
    return tasks.flatMap(({ NetworksAttachments = [] }) =>
      NetworksAttachments.map(({ Network }) => Network.Spec),
    );
  });
  const spec = specs.findLast(({ Ingress, Name }) => Ingress === true && Name !== 'ingress');
  const Config = (spec?.IPAMOptions?.Configs ?? []).map(({ Subnet }) => ({ Subnet }));
  return {
    Name: spec?.Name ?? 'ingress',
    Driver: 'overlay',
    Ingress: true,
    Options: spec?.DriverConfiguration?.Options ?? {},
    IPAM: { Driver: 'default', Config },
  };
}

interface Attached {
  readonly Spec: {
    readonly Name: string;
    readonly Ingress?: boolean;
    readonly DriverConfiguration?: { readonly Options?: object };
    readonly IPAMOptions?: { readonly Configs?: readonly { readonly Subnet: string }[] };
  };
}

/** Whether everything in `part` is in `whole`, where a flag that is off may be left out. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (typeof part !== 'object' || part === null)
    return part === whole || (part === false && whole === undefined);
  if (typeof whole !== 'object' || whole === null) return false;
  if (Array.isArray(part) && part.length !== (whole as { length?: unknown }).length) return false;
  return Object.entries(part).every(([key, value]) => isPartOf(value, Reflect.get(whole, key)));
}

function idOf(answer: unknown): string | undefined {
  const { ID, Id } = (answer ?? {}) as { readonly ID?: string; readonly Id?: string };
  return ID ?? Id;
}

function kindOf(path: string): Kind | undefined {
  const root = unversioned(path).split(/[/?]/)[1];
  switch (root) {
    case 'services':
    case 'secrets':
    case 'configs':
    case 'networks':
      return /\/logs/.test(path) ? undefined : root;
    default:
      return undefined;
  }
}
