import { apiErrors, isPredefinedName } from '@shoal/docker-api';
import { nameserversOption } from '@shoal/overlay';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import type { Attached } from './attach.ts';
import { listNetworks, standsFor } from './engine-networks.ts';
import { findShown, findToChange, ownNetworks } from './find.ts';

const endpointSettings = z
  .looseObject({ DriverOpts: z.record(z.string(), z.string()).nullish() })
  .nullish();
const createRequest = z.looseObject({
  HostConfig: z
    .looseObject({ NetworkMode: z.string().nullish(), Dns: z.array(z.string()).nullish() })
    .nullish(),
  NetworkingConfig: z
    .looseObject({ EndpointsConfig: z.record(z.string(), endpointSettings).nullish() })
    .nullish(),
});

/** Networks that one container names. */
const networksMax = 64;
/** As many as the C library and the engine take. */
const nameserversMax = 3;

/**
 * The body of `POST /containers/create` with the engine's networks in the places of the swarm's; undefined
 * when it names none of the swarm's, or is not what it should be: the engine says so better.
 * @throws ApiError when a network of the swarm cannot be joined by hand
 */
export async function withEngineNetworks(
  context: ApiContext,
  body: unknown,
): Promise<object | undefined> {
  const parsed = createRequest.safeParse(body);
  if (!parsed.success) return undefined;
  const { HostConfig, NetworkingConfig } = parsed.data;
  const mode = HostConfig?.NetworkMode ?? '';
  const endpoints = NetworkingConfig?.EndpointsConfig ?? {};
  const names = new Set([mode, ...Object.keys(endpoints)].filter(mayBeOfSwarm));
  if (names.size > networksMax) return undefined;
  const joined = new Map<string, string>();
  let asked: Join | undefined;
  for (const name of names) {
    const join = await joinFor(context, name);
    if (join === undefined) continue;
    joined.set(name, join.engineNetwork);
    if ((asked?.nameservers ?? []).length === 0) asked = join;
  }
  if (joined.size === 0) return undefined;
  const EndpointsConfig = Object.fromEntries(
    Object.entries(endpoints).map(([name, settings]) => [joined.get(name) ?? name, settings]),
  );
  const [resolver, ...hosts] = asked?.nameservers ?? [];
  const given = (HostConfig?.Dns ?? []).filter((address) => address !== resolver);
  if (asked !== undefined && resolver !== undefined && given.length > 0) {
    const settings = EndpointsConfig[asked.engineNetwork];
    const DriverOpts = { ...settings?.DriverOpts, [nameserversOption]: given.join(',') };
    EndpointsConfig[asked.engineNetwork] = { ...settings, DriverOpts };
  }
  return {
    ...parsed.data,
    HostConfig: {
      ...HostConfig,
      NetworkMode: joined.get(mode) ?? mode,
      ...dnsOf(resolver, given.length > 0 ? given : hosts),
    },
    NetworkingConfig: { ...NetworkingConfig, EndpointsConfig },
  };
}

/**
 * The network's resolver first: names of the swarm are not asked for anywhere else. It is told of the user's
 * own servers, and leaves all other names to them.
 */
function dnsOf(resolver: string | undefined, others: readonly string[]): object {
  return resolver === undefined ? {} : { Dns: [resolver, ...others].slice(0, nameserversMax) };
}

function mayBeOfSwarm(name: string): boolean {
  return name !== '' && !isPredefinedName(name) && !name.startsWith('container:');
}

/**
 * The engine's network that a container joins for one of the swarm, built if it was not; undefined when the
 * name is not of the swarm. @throws ApiError when it cannot be joined by hand
 */
export async function engineNetworkFor(
  context: ApiContext,
  ref: string,
): Promise<string | undefined> {
  return (await joinFor(context, ref))?.engineNetwork;
}

const joiner = z.object({
  Name: z.string(),
  State: z.object({ Running: z.boolean() }),
  NetworkSettings: z.object({
    Networks: z.record(z.string(), z.object({ EndpointID: z.string().nullish() })).nullish(),
  }),
});

/**
 * The engine's network that a container joins for one of the swarm, built if it was not; undefined when the
 * name is not of the swarm, and where the engine says best what is wrong. @throws ApiError in Docker's words
 */
export async function networkToConnect(
  context: ApiContext,
  ref: string,
  containerRef: string,
): Promise<string | undefined> {
  const { engine, host } = context;
  if (host.standing.kind !== 'manager' && host.standing.kind !== 'worker') return undefined;
  const path = `/containers/${encodeURIComponent(containerRef)}/json`;
  const told = await engine.get(path).catch(() => undefined);
  const container = joiner.safeParse(told?.json).data;
  if (container === undefined) return undefined;
  const join = await joinFor(context, ref);
  // What does not run joins when it starts, and may name what is not there yet.
  if (!container.State.Running) return join?.engineNetwork;
  if (join === undefined) {
    if (findShown(await ownNetworks(engine), ref) === undefined)
      throw apiErrors.nothingToAttachTo(ref);
    return undefined;
  }
  const there = container.NetworkSettings.Networks?.[join.engineNetwork];
  if ((there?.EndpointID ?? '') !== '')
    throw apiErrors.alreadyAttached(container.Name.replace(/^\//, ''), join.engineNetwork);
  return join.engineNetwork;
}

type Join = Extract<Attached, { readonly kind: 'attached' }>;

async function joinFor(context: ApiContext, ref: string): Promise<Join | undefined> {
  const { host, engine } = context;
  switch (host.standing.kind) {
    case 'manager': {
      const found = await findToChange(context, ref);
      if (found.kind === 'engine') return undefined;
      const { id, spec } = found.network;
      if (!spec.Attachable) throw apiErrors.notAttachable(ref);
      return attached(context, ref, id);
    }
    case 'worker': {
      const local = await listNetworks(engine, '/networks').catch(() => []);
      const isOwn = ({ Id, Name }: { readonly Id: string; readonly Name: string }): boolean =>
        Name === ref || Id.startsWith(ref);
      if (local.some((network) => standsFor(network) === undefined && isOwn(network)))
        return undefined;
      return attached(context, ref, ref);
    }
    default:
      return undefined;
  }
}

async function attached(
  context: ApiContext,
  ref: string,
  network: string,
): Promise<Join | undefined> {
  const answer = await context.attach(network);
  if (answer.kind === 'attached') return answer;
  const { problem } = answer;
  // The engine says so too, in its own words.
  if (problem === notFound(network)) return undefined;
  if (problem.endsWith(notAttachable)) throw apiErrors.notAttachable(ref);
  throw apiErrors.couldNotAttach(ref, problem);
}

/** Ends of what a manager says of a network, through this host's agent. */
const notAttachable = 'not manually attachable';
const notFound = (network: string): string => `network ${network} not found`;
