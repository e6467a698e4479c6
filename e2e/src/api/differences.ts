/** Where Shoal is meant to answer otherwise than the engine that the transcripts were made with. */
export interface Difference {
  /** The one transcript that it is in; all of them without it. */
  readonly transcript?: string;
  /** The one client that shows it. */
  readonly client?: string;
  /** Lines of an answer as the engine gives it, in the form of the files; each goes with its neighbours. */
  readonly docker: string;
  /** What stands in their place. */
  readonly shoal: string;
  readonly why: string;
}

const laterWords = 'the words of newer engines; the transcripts are made with 20.10';

export const differences: readonly Difference[] = [
  {
    docker: "! Error response from daemon: Invalid filter 'bogus'",
    shoal: "! Error response from daemon: invalid filter 'bogus'",
    why: laterWords,
  },
  {
    transcript: 'networks',
    docker:
      '! Error response from daemon: Invalid subnet 10.56.0.0/99 : invalid CIDR address: 10.56.0.0/99',
    shoal:
      '! Error response from daemon: invalid network config:\n! invalid subnet 10.56.0.0/99: invalid CIDR block notation',
    why: laterWords,
  },
  {
    transcript: 'networks',
    docker:
      '! Error response from daemon: Cannot create a multi-host network from a worker node. Please create the network from a manager node.',
    shoal:
      '! Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    why: laterWords,
  },
  {
    transcript: 'swarm',
    docker:
      '! Error response from daemon: Datapath port number is not in valid range (1024-49151) : 80',
    shoal:
      '! Error response from daemon: invalid DataPathPort (80): must be a number between 1024 and 49151',
    why: laterWords,
  },
  {
    transcript: 'networks',
    docker: '|         "EnableIPv6": false,',
    shoal: '|         "EnableIPv4": false,\n|         "EnableIPv6": false,',
    why: 'a field that newer engines have; of networks of the swarm they say false',
  },
  {
    transcript: 'networks',
    docker: '| front swarm 2',
    shoal: '| front swarm 1',
    why: 'the load balancer of a network is no endpoint in it',
  },
  {
    transcript: 'networks',
    client: '20.10',
    docker:
      '! docker: Error response from daemon: Could not attach to network front: rpc error: code = PermissionDenied desc = network front not manually attachable.\n=',
    shoal:
      "! docker: Error response from daemon: Could not attach to network front: rpc error: code = PermissionDenied desc = network front not manually attachable.\n! See 'docker run --help'.\n=",
    why: 'refused when the container is made, so that none is left that cannot start; this client then adds a line',
  },
];

/** The text that Shoal is to give, and the differences that are in it. */
export function withDifferences(
  transcript: string,
  client: string,
  text: string,
): { readonly text: string; readonly applied: ReadonlySet<Difference> } {
  const applied = new Set<Difference>();
  let expected = text;
  for (const difference of differences) {
    if ((difference.transcript ?? transcript) !== transcript) continue;
    if ((difference.client ?? client) !== client) continue;
    const changed = expected.replaceAll(difference.docker, difference.shoal);
    if (changed !== expected) applied.add(difference);
    expected = changed;
  }
  return { text: expected, applied };
}
