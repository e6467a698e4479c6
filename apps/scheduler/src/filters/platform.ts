import type { Revision } from '@shoal/state';
import { countOfNodes, type Filter } from './filter.ts';

interface Platform {
  readonly os: string;
  readonly architecture: string;
}

function architecture(name: string): string {
  if (name === 'x86_64') return 'amd64';
  return name === 'aarch64' ? 'arm64' : name;
}

const none: readonly Platform[] = [];

function platformsOf({ spec }: Revision): readonly Platform[] {
  const platforms = spec.TaskTemplate.Placement?.Platforms;
  if (platforms === undefined) return none;
  return platforms.map((platform) => ({
    os: platform.OS ?? '',
    architecture: architecture(platform.Architecture ?? ''),
  }));
}

/** A node must have one of the platforms that the image was built for. */
export const platformFilter: Filter = {
  prepare({ revision }) {
    const platforms = platformsOf(revision);
    if (platforms.length === 0) return undefined;
    return ({ node }) => {
      const own = node.description?.Platform;
      if (own === undefined) return false;
      return platforms.some(
        (platform) =>
          (platform.os === '' || platform.os === own.OS) &&
          (platform.architecture === '' ||
            platform.architecture === architecture(own.Architecture)),
      );
    };
  },
  explain: (nodes) => `unsupported platform on ${countOfNodes(nodes)}`,
  lack(_needs, { node: { description } }) {
    const own = description?.Platform;
    const words =
      own === undefined ? 'has not said what it is' : `is ${own.OS}/${own.Architecture}`;
    return { distance: 3, words };
  },
  terrain: ({ revision }) =>
    platformsOf(revision)
      .map(({ os, architecture }) => `${os}/${architecture}`)
      .join('\n'),
};
