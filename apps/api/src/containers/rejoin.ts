import type { Engine } from '@shoal/link/proxy';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { engineNetworkFor } from '../networks/run-attached.ts';

const inspected = z.object({
  Id: z.string(),
  State: z.object({ Running: z.boolean() }),
  NetworkSettings: z.object({
    Networks: z
      .record(
        z.string(),
        z.looseObject({
          NetworkID: z.string().nullish(),
          IPAMConfig: z.unknown().optional(),
          Links: z.unknown().optional(),
          Aliases: z.unknown().optional(),
          DriverOpts: z.unknown().optional(),
        }),
      )
      .nullish(),
  }),
});

/**
 * Before a container of this host starts: networks of the swarm that it was in may have gone from the host
 * since. They are built again, and the container is told which of the engine's networks stands for them now.
 * What cannot be joined stays as it is: the engine says so when it starts the container.
 */
export async function rejoinNetworks(context: ApiContext, containerRef: string): Promise<void> {
  const { engine, logger } = context;
  try {
    const told = await engine.get(`/containers/${encodeURIComponent(containerRef)}/json`);
    const container = inspected.safeParse(told.json).data;
    if (container === undefined || container.State.Running) return;
    for (const [name, settings] of Object.entries(container.NetworkSettings.Networks ?? {})) {
      const { NetworkID, IPAMConfig, Links, Aliases, DriverOpts } = settings;
      const id = NetworkID ?? '';
      if (await isThere(engine, id === '' ? name : id)) continue;
      const now = await engineNetworkFor(context, name);
      if (now === undefined || id === '') continue;
      const Container = container.Id;
      await engine.post(`/networks/${now}/disconnect`, { Container, Force: true });
      const EndpointConfig = { IPAMConfig, Links, Aliases, DriverOpts };
      await engine.post(`/networks/${now}/connect`, { Container, EndpointConfig });
      logger.info({ container: Container, network: name }, 'container_rejoined');
    }
  } catch (error) {
    logger.warn({ error, container: containerRef }, 'container_not_rejoined');
  }
}

async function isThere(engine: Engine, network: string): Promise<boolean> {
  return (await engine.get(`/networks/${encodeURIComponent(network)}`)).status === 200;
}
