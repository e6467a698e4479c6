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
 * Whose a request is. Networks are of both: what is asked of all of them, or creates one, is the
 * cluster's business, which passes on what is local.
 */
export function ownerOf(method: string, path: string): Owner {
  const parts = (path.split('?')[0] ?? '').split('/').filter((part) => part !== '');
  const root = parts[0] ?? '';
  if (engineRoots.has(root)) return 'engine';
  if (root === 'networks') {
    if (parts.length === 1) return method === 'GET' || method === 'HEAD' ? 'cluster' : 'nobody';
    if (parts.length === 2 && method === 'POST' && parts[1] === 'create') return 'cluster';
    if (parts.length === 2 && (method === 'GET' || method === 'DELETE')) return 'cluster';
    return 'engine';
  }
  return swarmRoots.has(root) ? 'cluster' : 'nobody';
}
