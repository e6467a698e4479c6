import type { NodeNetwork } from '@shoal/overlay';
import { canonical, familyOf } from '@shoal/state';
import { z } from 'zod';
import { swarmLabels } from '../executor/container-config.ts';
import type { EngineResult } from '../executor/engine.ts';
import type { EngineHttp } from '../executor/engine-http.ts';
import { networkOption } from './plugin/network-driver.ts';

/** Characters of the engine's short ids. */
const shortIdChars = 12;
/** Further names of a container, at most: its record must fit into a packet of the gossip. */
const aliasesMax = 24;
/** What is longer is no name that anybody can ask for. */
const aliasCharsMax = 253;

const labels = z.record(z.string(), z.string()).nullish();
const names = z.array(z.string()).nullish();
const listed = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Driver: z.string(),
    Labels: labels,
  }),
);
const madeNetwork = z.object({ Id: z.string() });
const inspected = z.object({
  Containers: z
    .record(
      z.string(),
      z.object({
        Name: z.string(),
        EndpointID: z.string(),
        MacAddress: z.string(),
        IPv4Address: z.string(),
        IPv6Address: z.string(),
      }),
    )
    .nullish(),
});
const containerAnswer = z.object({
  Name: z.string().nullish(),
  Config: z.object({ Hostname: z.string().nullish(), Labels: labels }).nullish(),
  NetworkSettings: z.object({
    SandboxKey: z.string().default(''),
    Networks: z
      .record(z.string(), z.object({ NetworkID: z.string(), Aliases: names, DNSNames: names }))
      .nullish(),
  }),
});
const containersAnswer = z.array(
  z.object({
    Names: names,
    Labels: labels,
    NetworkSettings: z
      .object({
        Networks: z.record(z.string(), z.object({ EndpointID: z.string().nullish() })).nullish(),
      })
      .nullish(),
  }),
);

/** A network of the engine that stands for one of the swarm's. */
export interface EngineNetwork {
  readonly id: string;
  readonly name: string;
  readonly networkId: string;
}

/** A container's endpoint as the engine has it. */
export interface EngineEndpoint {
  readonly id: string;
  readonly containerId: string;
  readonly containerName: string;
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** A container as one of its networks sees it. */
export interface EngineContainer {
  /** Path of its network namespace; empty while it does not run. */
  readonly sandbox: string;
  /** By which it is found besides its name. */
  readonly aliases: readonly string[];
  /** It has the name of the task its labels speak of: labels alone come with images too. */
  readonly isTask: boolean;
}

/** A container with the labels of a task, running or not. */
export interface LabelledContainer {
  readonly taskId: string;
  readonly hasTaskName: boolean;
  readonly endpointIds: readonly string[];
}

/** The engine's networks of our driver. Never used while the engine waits for our answer. */
export class EngineNetworks {
  readonly #http: EngineHttp;
  readonly #driver: string;

  /** `driver`: what the engine calls our plugin. */
  constructor(http: EngineHttp, driver: string) {
    this.#http = http;
    this.#driver = driver;
  }

  async list(): Promise<EngineResult<readonly EngineNetwork[]>> {
    const query = { filters: JSON.stringify({ label: [networkOption] }) };
    const call = { method: 'GET' as const, path: '/networks', query };
    const result = await this.#http.json('networks', call, listed);
    if (result.kind === 'failed') return result;
    const value = result.value
      .filter(({ Driver }) => Driver === this.#driver)
      .map(({ Id, Name, Labels }) => ({
        id: Id,
        name: Name,
        networkId: Labels?.[networkOption] ?? '',
      }));
    return { kind: 'ok', value };
  }

  /** The engine's network for one of the swarm's, made where there is none. */
  async ensure(network: NodeNetwork): Promise<EngineResult<EngineNetwork>> {
    const known = await this.list();
    if (known.kind === 'failed') return known;
    const found = known.value.find(({ networkId }) => networkId === network.id);
    if (found !== undefined) return { kind: 'ok', value: found };
    const made = await this.#create(network, network.name);
    if (made.kind === 'ok' || made.failure.kind !== 'conflict') return made;
    return this.#create(network, `${network.name}-${shortId(network.id)}`);
  }

  async #create(network: NodeNetwork, name: string): Promise<EngineResult<EngineNetwork>> {
    const options = { [networkOption]: network.id };
    const body = {
      Name: name,
      CheckDuplicate: true,
      Driver: this.#driver,
      Internal: network.internal,
      EnableIPv6: network.subnets.some(({ subnet }) => familyOf(subnet) === 6),
      IPAM: {
        Driver: this.#driver,
        Options: options,
        Config: network.subnets.map(({ subnet, gateway }) => ({
          Subnet: subnet,
          Gateway: gateway,
        })),
      },
      Options: options,
      Labels: { ...network.labels, [networkOption]: network.id },
    };
    const call = { method: 'POST' as const, path: '/networks/create', body };
    const made = await this.#http.json('network_create', call, madeNetwork);
    if (made.kind === 'failed') return made;
    return { kind: 'ok', value: { id: made.value.Id, name, networkId: network.id } };
  }

  /** True when it is gone. */
  async remove({ id }: EngineNetwork): Promise<boolean> {
    const call = { method: 'DELETE' as const, path: `/networks/${id}` };
    const gone = await this.#http.run('network_remove', call);
    return gone.kind === 'ok' || gone.failure.kind === 'not-found';
  }

  async endpoints({ id }: EngineNetwork): Promise<EngineResult<readonly EngineEndpoint[]>> {
    const call = { method: 'GET' as const, path: `/networks/${id}` };
    const result = await this.#http.json('network_inspect', call, inspected);
    if (result.kind === 'failed') return result;
    const value = Object.entries(result.value.Containers ?? {}).map(([containerId, each]) => ({
      id: each.EndpointID,
      containerId,
      containerName: each.Name,
      mac: each.MacAddress,
      addresses: [each.IPv4Address, each.IPv6Address].flatMap((text) => canonical(text) ?? []),
    }));
    return { kind: 'ok', value };
  }

  async container(
    { containerId, containerName }: EngineEndpoint,
    network: EngineNetwork,
  ): Promise<EngineResult<EngineContainer>> {
    const call = { method: 'GET' as const, path: `/containers/${containerId}/json` };
    const result = await this.#http.json('inspect', call, containerAnswer);
    if (result.kind === 'failed') return result;
    const { Name, Config, NetworkSettings: settings } = result.value;
    const joined = Object.values(settings.Networks ?? {});
    const { Aliases, DNSNames } = joined.find(({ NetworkID }) => NetworkID === network.id) ?? {};
    const aliases = new Set([shortId(containerId), Config?.Hostname ?? '']);
    for (const alias of [...(Aliases ?? []), ...(DNSNames ?? [])]) aliases.add(alias);
    aliases.delete(containerName);
    const value: EngineContainer = {
      sandbox: settings.SandboxKey,
      aliases: [...aliases].filter(isName).slice(0, aliasesMax),
      isTask: hasTaskName([Name ?? ''], Config?.Labels ?? {}),
    };
    return { kind: 'ok', value };
  }

  async taskContainers(): Promise<EngineResult<readonly LabelledContainer[]>> {
    const filters = JSON.stringify({ label: [swarmLabels.taskId] });
    const call = { method: 'GET' as const, path: '/containers/json', query: { all: '1', filters } };
    const result = await this.#http.json('list', call, containersAnswer);
    if (result.kind === 'failed') return result;
    const value = result.value.map(({ Names, Labels, NetworkSettings }) => ({
      taskId: Labels?.[swarmLabels.taskId] ?? '',
      hasTaskName: hasTaskName(Names ?? [], Labels ?? {}),
      endpointIds: Object.values(NetworkSettings?.Networks ?? {}).flatMap(
        ({ EndpointID }) => EndpointID ?? [],
      ),
    }));
    return { kind: 'ok', value };
  }
}

function hasTaskName(given: readonly string[], own: Readonly<Record<string, string>>): boolean {
  const name = own[swarmLabels.taskName];
  return name !== undefined && given.includes(`/${name}`);
}

/** The engine's short form of an id, by which a container is found too. */
export function shortId(id: string): string {
  return id.slice(0, shortIdChars);
}

function isName(text: string): boolean {
  return text !== '' && text.length <= aliasCharsMax;
}
