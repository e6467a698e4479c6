import type { Engine } from '@shoal/link/proxy';
import { z } from 'zod';

const texts = z.array(z.string()).nullish();
const inspected = z.object({
  Id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  RepoDigests: texts,
  Size: z.number().optional(),
  Os: z.string().optional(),
  Architecture: z.string().optional(),
  Variant: z.string().optional(),
});

/** What Docker answers of an image in a registry: `GET /distribution/{name}/json`. */
export interface Distribution {
  readonly Descriptor: {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
  };
  readonly Platforms: readonly object[];
}

const mediaType = 'application/vnd.docker.container.image.v1+json';

/**
 * An image that the engine of this host has, as a registry would tell of it: by the digest it was pulled by,
 * else by its own id. All nodes find it by either. Undefined when the engine does not have it.
 */
export async function ownImage(engine: Engine, name: string): Promise<Distribution | undefined> {
  const at = name.indexOf('@');
  const digest = at < 0 ? undefined : name.slice(at + 1);
  const image = (await inspect(engine, name)) ?? (digest && (await inspect(engine, digest)));
  if (!image) return undefined;
  const { Id, Size = 0, Os, Architecture, Variant } = image;
  const platform = { architecture: Architecture, os: Os, ...(Variant && { variant: Variant }) };
  const known = Architecture && Os;
  return {
    Descriptor: { mediaType, digest: digest ?? pulledBy(image, name) ?? Id, size: Size },
    Platforms: known ? [platform] : [],
  };
}

async function inspect(engine: Engine, name: string) {
  const { status, json } = await engine.get(`/images/${encodeURI(name)}/json`);
  return status === 200 ? inspected.safeParse(json).data : undefined;
}

/** The digest of the same repository that the image was pulled by; one that was built has none. */
function pulledBy({ RepoDigests }: z.output<typeof inspected>, name: string): string | undefined {
  const repository = repositoryOf(name);
  const found = RepoDigests?.find((each) => repositoryOf(each) === repository);
  return found?.slice(found.indexOf('@') + 1);
}

function repositoryOf(name: string): string {
  const plain = name.replace(/@.*$/, '').replace(/^docker\.io\/(library\/)?/, '');
  const colon = plain.lastIndexOf(':');
  return colon > plain.lastIndexOf('/') ? plain.slice(0, colon) : plain;
}
