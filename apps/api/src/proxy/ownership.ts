/** First parts of the paths that the engine of the host answers. */
const engineRoots = new Set([
  'auth',
  'build',
  'checkpoints',
  'commit',
  'containers',
  'distribution',
  'exec',
  'grpc',
  'images',
  'plugins',
  'session',
  'system',
  'volumes',
]);
const swarmRoots = new Set([
  '_ping',
  'configs',
  'events',
  'info',
  'networks',
  'nodes',
  'secrets',
  'services',
  'shoal',
  'swarm',
  'tasks',
  'version',
]);

export type Owner = 'engine' | 'cluster' | 'nobody';

/**
 * Whose a request is. Networks are of both: they are the cluster's business, which passes on what is
 * local. So is making a container, because it may join a network of the swarm, and what a registry says of
 * an image, because the swarm has images that no registry knows. Volumes are looked at where they may be
 * meant for the whole cluster.
 */
export function ownerOf(method: string, path: string): Owner {
  const parts = (path.split('?')[0] ?? '').split('/').filter((part) => part !== '');
  const root = parts[0] ?? '';
  if (method === 'POST' && root === 'containers' && parts[1] === 'create' && parts.length === 2)
    return 'cluster';
  if (method === 'GET' && root === 'distribution') return 'cluster';
  if (root === 'volumes' && parts.length === 2 && isOfCluster(method, parts[1])) return 'cluster';
  if (engineRoots.has(root)) return 'engine';
  return swarmRoots.has(root) ? 'cluster' : 'nobody';
}

/** Making a volume, and changing one, which only those of the cluster can be. */
function isOfCluster(method: string, name: string | undefined): boolean {
  return method === 'PUT' || (method === 'POST' && name === 'create');
}
