import { ApiError, standInLabel } from '@shoal/docker-api';
import { type Engine, EngineAwayError } from '@shoal/link/proxy';
import { z } from 'zod';

const network = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  Scope: z.string().nullish(),
  Created: z.string().nullish(),
  ConfigOnly: z.boolean().nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  Containers: z.record(z.string(), z.unknown()).nullish(),
});
const refusal = z.object({ message: z.string() });

/** A network of the engine, with everything that it says of it. */
export type EngineNetwork = z.output<typeof network>;

/** The id of the swarm's network that an engine's network stands for on this host. */
export function standsFor({ Labels }: EngineNetwork): string | undefined {
  return Labels?.[standInLabel];
}

/**
 * The engine's networks as `path` asks for them, `/networks` with filters.
 * @throws ApiError with the engine's own refusal, 503 when it cannot be reached
 */
export async function listNetworks(engine: Engine, path: string): Promise<EngineNetwork[]> {
  return z.array(network).parse(await ask(engine, path));
}

/** What stands on this host for networks of the swarm, or for one of them. @throws ApiError */
export function standIns(engine: Engine, networkId?: string): Promise<EngineNetwork[]> {
  const label = networkId === undefined ? standInLabel : `${standInLabel}=${networkId}`;
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
  return listNetworks(engine, `/networks?filters=${filters}`);
}

/** One network with its containers; `path` as the client sent it. @throws ApiError */
export async function inspectNetwork(engine: Engine, path: string): Promise<EngineNetwork> {
  return network.parse(await ask(engine, path));
}

async function ask(engine: Engine, path: string): Promise<unknown> {
  try {
    const { status, json } = await engine.get(await engine.path(path));
    if (status === 200) return json;
    const told = refusal.safeParse(json);
    throw new ApiError(status, told.success ? told.data.message : 'the Docker Engine refused');
  } catch (error) {
    if (error instanceof EngineAwayError) throw new ApiError(503, error.message);
    throw error;
  }
}
