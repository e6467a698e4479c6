import { type PortConfig, portKey, type RecordPort, type Service } from '@shoal/state';

/** An object of the state never changes: the list is the same for all tasks of a revision. */
const known = new WeakMap<
  Service['endpoint'],
  WeakMap<readonly PortConfig[], readonly RecordPort[]>
>();

const none: readonly PortConfig[] = [];

/**
 * The service's ports of the routing mesh, each led to where a task listens whose revision asked for `asked`:
 * in an update that changes a target port, tasks made before it still listen where they did.
 */
export function meshPorts(
  endpoint: Service['endpoint'],
  asked: readonly PortConfig[] = none,
): readonly RecordPort[] {
  let lists = known.get(endpoint);
  if (lists === undefined) {
    lists = new WeakMap();
    known.set(endpoint, lists);
  }
  let ports = lists.get(asked);
  if (ports === undefined) {
    ports = ledPorts(endpoint.ports, asked);
    lists.set(asked, ports);
  }
  return ports;
}

function ledPorts(
  given: readonly PortConfig[],
  asked: readonly PortConfig[],
): readonly RecordPort[] {
  const counterpart = counterparts(asked, given);
  return given.flatMap((port, at) => {
    if (port.PublishMode === 'host') return [];
    const { Protocol: protocol, PublishedPort: publishedPort = 0 } = port;
    const { TargetPort: targetPort } = counterpart(port, at) ?? port;
    return [{ protocol, targetPort, publishedPort }];
  });
}

/**
 * What another revision asked for where the endpoint has this port, the one at `at`. The number of an open
 * port is the allocator's, so that it is known by its name or target; one that has no namesake by its place.
 */
function counterparts(
  asked: readonly PortConfig[],
  given: readonly PortConfig[],
): (port: PortConfig, at: number) => PortConfig | undefined {
  const open = asked.filter(isOpen);
  const fixed = firstBy(
    asked.filter((one) => !isOpen(one)),
    numberKey,
  );
  const named = firstBy(
    open.filter(({ Name = '' }) => Name !== ''),
    nameKey,
  );
  const targeted = firstBy(open, targetKey);
  const targets = new Set(given.map(targetKey));
  return (port, at) => {
    const there = asked[at];
    const isThere =
      there?.Protocol === port.Protocol && isOpen(there) && !targets.has(targetKey(there));
    return (
      fixed.get(numberKey(port)) ??
      named.get(nameKey(port)) ??
      targeted.get(targetKey(port)) ??
      (isThere ? there : undefined)
    );
  };
}

/** The first port of each key. */
function firstBy(
  ports: readonly PortConfig[],
  keyOf: (port: PortConfig) => string,
): ReadonlyMap<string, PortConfig> {
  return new Map(ports.toReversed().map((port) => [keyOf(port), port]));
}

function numberKey({ Protocol, PublishedPort = 0 }: PortConfig): string {
  return portKey(Protocol, PublishedPort);
}

function targetKey({ Protocol, TargetPort }: PortConfig): string {
  return portKey(Protocol, TargetPort);
}

function nameKey({ Protocol, Name = '' }: PortConfig): string {
  return `${Protocol}/${Name}`;
}

function isOpen({ PublishMode, PublishedPort = 0 }: PortConfig): boolean {
  return PublishMode === 'ingress' && PublishedPort === 0;
}
