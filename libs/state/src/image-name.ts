import type { Node } from './objects.ts';

const sets = new WeakMap<object, ReadonlySet<string>>();

/** Whether the node's agent last said that the image is there. */
export function hasImage({ description }: Pick<Node, 'description'>, image: string): boolean {
  const list = description?.Images;
  if (list === undefined) return false;
  let names = sets.get(list);
  if (names === undefined) {
    names = new Set(list);
    sets.set(list, names);
  }
  return names.has(imageKey(image));
}

/** What an image is called in a node's list: by its digest if it is pinned to one, else by its tag. */
export function imageKey(image: string): string {
  const digest = image.indexOf('@');
  if (digest >= 0) return image.slice(digest + 1);
  const name = image.replace(/^docker\.io\/(library\/)?/, '');
  return name.lastIndexOf(':') > name.lastIndexOf('/') ? name : `${name}:latest`;
}
