import { countOfNodes, type Filter } from './filter.ts';

function architecture(name: string): string {
  if (name === 'x86_64') return 'amd64';
  return name === 'aarch64' ? 'arm64' : name;
}

/** A node must have one of the platforms that the image was built for. */
export const platformFilter: Filter = {
  prepare({ revision }) {
    const platforms = (revision.spec.TaskTemplate.Placement?.Platforms ?? []).map((platform) => ({
      os: platform.OS ?? '',
      architecture: architecture(platform.Architecture ?? ''),
    }));
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
};
