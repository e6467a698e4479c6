/** An image as a spec names it, taken apart. */
export interface ImageReference {
  /** `name:tag` as engines show it; undefined when there is a digest and no tag. */
  readonly tagged: string | undefined;
  /** `sha256:…`: of the manifest in a registry, or of the image itself. */
  readonly digest: string | undefined;
}

export function parseReference(image: string): ImageReference {
  const at = image.indexOf('@');
  const digest = at < 0 ? undefined : image.slice(at + 1);
  const name = (at < 0 ? image : image.slice(0, at)).replace(/^docker\.io\/(library\/)?/, '');
  const hasTag = name.lastIndexOf(':') > name.lastIndexOf('/');
  if (hasTag) return { tagged: name, digest };
  return { tagged: digest === undefined ? `${name}:latest` : undefined, digest };
}

/** Repository and tag of `name:tag`. */
export function splitTag(tagged: string): { readonly repo: string; readonly tag: string } {
  const colon = tagged.lastIndexOf(':');
  return { repo: tagged.slice(0, colon), tag: tagged.slice(colon + 1) };
}

/** For people: without the digest, where there is a tag. */
export function shortName(image: string): string {
  return parseReference(image).tagged ?? image;
}
