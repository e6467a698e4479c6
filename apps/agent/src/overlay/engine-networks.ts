import type { NodeNetwork } from '@shoal/overlay';
import { canonical, familyOf } from '@shoal/state';
import { z } from 'zod';
import { swarmLabels } from '../executor/container-config.ts';
import type { EngineResult } from '../executor/engine.ts';
import type { EngineHttp } from '../executor/engine-http.ts';
import { networkOption } from './plugin/network-driver.ts';

/** Characters of a network's id behind its name, where the name alone is taken. */
const shortIdChars = 12;

const listed = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Driver: z.string(),
    Labels: z.record(z.string(), z.string()).nullish(),
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
  NetworkSettings: z.object({ SandboxKey: z.string().default('') }),
});
const containersAnswer = z.array(z.object({ Labels: z.record(z.string(), z.string()).nullish() }));

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
    return this.#create(network, `${network.name}-${network.id.slice(0, shortIdChars)}`);
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

  /** Path of a container's network namespace; empty while it does not run. */
  async sandbox(containerId: string): Promise<EngineResult<string>> {
    const call = { method: 'GET' as const, path: `/containers/${containerId}/json` };
    const result = await this.#http.json('inspect', call, containerAnswer);
    if (result.kind === 'failed') return result;
    return { kind: 'ok', value: result.value.NetworkSettings.SandboxKey };
  }

  /** Tasks that have a container, running or not. */
  async taskIds(): Promise<EngineResult<ReadonlySet<string>>> {
    const filters = JSON.stringify({ label: [swarmLabels.taskId] });
    const call = { method: 'GET' as const, path: '/containers/json', query: { all: '1', filters } };
    const result = await this.#http.json('list', call, containersAnswer);
    if (result.kind === 'failed') return result;
    const ids = result.value.map(({ Labels }) => Labels?.[swarmLabels.taskId] ?? '');
    return { kind: 'ok', value: new Set(ids) };
  }
}
