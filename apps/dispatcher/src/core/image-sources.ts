import { isDeepStrictEqual } from 'node:util';
import { reachedAt } from '@shoal/overlay';
import type { ImageSource } from '@shoal/proto';
import type { Random } from '@shoal/runtime';
import { hasImage, isBefore, isTerminal, type StateView } from '@shoal/state';

/** Nodes of one answer: enough that one of them can be reached, and few to be asked. */
export const imageSourcesMax = 8;

/** Whether a task that is to run on the node has the image, named as its spec names it. */
export function needsImage(view: StateView, nodeId: string, image: string): boolean {
  for (const task of view.tasks.byNode(nodeId)) {
    if (isTerminal(task.status.state) || !isBefore(task.desired, 'shutdown')) continue;
    const revision = view.revisions.of(task.serviceId, task.revision);
    if (revision?.spec.TaskTemplate.ContainerSpec.Image === image) return true;
  }
  return false;
}

/** What a node asks. */
export interface ImageQuestion {
  /** Who asks. */
  readonly nodeId: string;
  /** As its task's spec names it. */
  readonly image: string;
  /** Managers are named that do not say that they have it, too: an image may be newer than what they said. */
  readonly allManagers: boolean;
}

/**
 * Other ready nodes that say they have the image, a few of them by chance. Under one name a node of another
 * platform has another image.
 */
export function imageSources(
  view: StateView,
  { nodeId, image, allManagers }: ImageQuestion,
  random: Pick<Random, 'next'>,
): readonly ImageSource[] {
  const own = view.nodes.get(nodeId)?.description?.Platform;
  const sources: ImageSource[] = [];
  let seen = 0;
  for (const node of view.nodes.values()) {
    const addr = reachedAt(node);
    const isThere = node.id !== nodeId && node.status.state === 'ready' && addr !== '';
    const platform = node.description?.Platform;
    if (!isThere || !isDeepStrictEqual(platform, own)) continue;
    const manager = node.role === 'manager';
    const unsaid = !hasImage(node, image);
    if (unsaid && !(allManagers && manager)) continue;
    // Each of them is equally likely to stay, wherever it is in the list.
    const at = Math.floor(random.next() * (seen + 1));
    const hostname = node.description?.Hostname ?? '';
    const source = { nodeId: node.id, hostname, addr, manager, unsaid };
    if (sources.length < imageSourcesMax) {
      const moved = sources[at];
      if (moved === undefined) sources.push(source);
      else {
        sources[at] = source;
        sources.push(moved);
      }
    } else if (at < imageSourcesMax) sources[at] = source;
    seen += 1;
  }
  return sources;
}
