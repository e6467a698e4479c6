/** A request that names a container, or an exec in one. */
export interface ContainerCall {
  readonly of: 'container' | 'exec';
  /** Version of the API as it stands before the path, such as `/v1.43`; empty for none. */
  readonly version: string;
  /** Id or name as the client wrote it. */
  readonly reference: string;
  /** What is to be done, such as `logs`; empty for the thing itself. */
  readonly action: string;
  /** Begins with `?` where there is one. */
  readonly query: string;
}

/** What may be done with a container of another host, as method and action. */
const reachable: Readonly<Record<ContainerCall['of'], ReadonlySet<string>>> = {
  container: new Set([
    'GET json',
    'GET logs',
    'GET stats',
    'GET top',
    'GET changes',
    'GET export',
    'GET archive',
    'HEAD archive',
    'PUT archive',
    'POST attach',
    'POST exec',
    'POST resize',
    'POST wait',
  ]),
  exec: new Set(['GET json', 'POST start', 'POST resize']),
};
/** Paths below `/containers` that name no container. */
const ofNone = new Set(['create', 'json', 'prune']);

/** Reads a target of Docker's API; undefined when it names neither. */
export function containerCall(url: string): ContainerCall | undefined {
  const version = versionForm.exec(url)?.[0] ?? '';
  const at = url.indexOf('?');
  const query = at < 0 ? '' : url.slice(at);
  const path = url.slice(version.length, at < 0 ? undefined : at);
  const [, root, named = '', ...rest] = path.split('/');
  const of = root === 'containers' ? 'container' : root === 'exec' ? 'exec' : undefined;
  const action = rest.join('/');
  const isOfNone = of === 'container' && action === '' && ofNone.has(named);
  if (of === undefined || named === '' || isOfNone) return undefined;
  return { of, version, reference: decoded(named), action, query };
}

const versionForm = /^\/v\d+\.\d+(?=\/)/;

/** Whether it may be asked of another host. */
export function isReachable(method: string, { of, action }: ContainerCall): boolean {
  return reachable[of].has(`${method} ${action}`);
}

/** The target of the same call for another id. */
export function pathOf(call: ContainerCall, id: string): string {
  const root = call.of === 'container' ? 'containers' : 'exec';
  const action = call.action === '' ? '' : `/${call.action}`;
  return `${call.version}/${root}/${encodeURIComponent(id)}${action}${call.query}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
