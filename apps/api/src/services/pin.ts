import { type ApiVersion, isOlder, type NormalisedSpec } from '@shoal/docker-api';
import type { Engine } from '@shoal/link/proxy';
import { z } from 'zod';
import { ownImage } from '../images/own-image.ts';

/** First version whose clients ask the registry themselves. */
const clientsPinSince: ApiVersion = { major: 1, minor: 30 };

const distribution = z.object({ Descriptor: z.object({ digest: z.string().min(1) }) });

export interface Pinned {
  readonly pinned: NormalisedSpec;
  /** For the client; null for none, as Go writes it. */
  readonly warnings: readonly string[] | null;
}

/**
 * Clients before 1.30 leave it to the server to ask the registry for the digest of the image. One that is
 * not to be had is a warning, not a refusal.
 */
export async function pinImage(
  engine: Engine,
  version: ApiVersion,
  normalised: NormalisedSpec,
  registryAuth: string,
): Promise<Pinned> {
  const { spec } = normalised;
  const { ContainerSpec } = spec.TaskTemplate;
  const image = ContainerSpec.Image;
  const isWanted = isOlder(version, clientsPinSince) && image !== '' && !image.includes('@');
  if (!isWanted) return { pinned: normalised, warnings: null };
  const tagged = image.slice(image.lastIndexOf('/') + 1).includes(':') ? image : `${image}:latest`;
  const digest =
    (await digestOf(engine, tagged, registryAuth)) ?? (await ownDigest(engine, tagged));
  if (digest === undefined) return { pinned: normalised, warnings: [unpinned(image)] };
  const container = { ...ContainerSpec, Image: `${tagged}@${digest}` };
  const TaskTemplate = { ...spec.TaskTemplate, ContainerSpec: container };
  return { pinned: { ...normalised, spec: { ...spec, TaskTemplate } }, warnings: null };
}

/** Undefined when no registry says it, for whatever reason. */
async function digestOf(
  engine: Engine,
  image: string,
  registryAuth: string,
): Promise<string | undefined> {
  const headers = registryAuth === '' ? {} : { 'x-registry-auth': registryAuth };
  try {
    const { status, json } = await engine.get(`/distribution/${encodeURI(image)}/json`, headers);
    const parsed = distribution.safeParse(json);
    return status === 200 && parsed.success ? parsed.data.Descriptor.digest : undefined;
  } catch {
    return undefined;
  }
}

/** That of the image that this manager's engine has; every node can get that one. */
async function ownDigest(engine: Engine, image: string): Promise<string | undefined> {
  const own = await ownImage(engine, image).catch(() => undefined);
  return own?.Descriptor.digest;
}

/** Docker's words. */
function unpinned(image: string): string {
  return `image ${image} could not be accessed on a registry to record\nits digest. Each node will access ${image} independently,\npossibly leading to different nodes running different\nversions of the image.\n`;
}
