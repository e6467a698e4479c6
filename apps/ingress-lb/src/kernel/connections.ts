import type { KernelCommands } from '@shoal/overlay/kernel';
import type { Protocol } from '../desired/balancing.ts';

/** Entries of one change that are looked for one by one; beyond it idle ones time out by themselves. */
export const flowsForgottenMax = 256;

/** Flows that the kernel must no longer translate as it did. */
export type Flow =
  /** Went to a backend. Without protocol: all of them. */
  | { readonly kind: 'backend'; readonly address: string; readonly protocol?: Protocol | undefined }
  /** Began before anybody balanced what it goes to. */
  | {
      readonly kind: 'front';
      readonly protocol: Protocol;
      readonly address?: string | undefined;
      readonly port?: number | undefined;
      readonly family: 4 | 6;
    };

/**
 * Each argument is one selection; that nothing was found is told as a failure, and is none. One that cannot
 * be done does not keep the others from being done.
 */
const deleteScript = `failed=0
for each; do
  said=$(conntrack -D $each 2>&1 >/dev/null); status=$?
  [ $status = 0 ] && continue
  case "$said" in *"0 flow entries"*) continue;; esac
  echo "\${said:-conntrack -D $each ended with $status}" >&2; failed=1
done
exit $failed`;

/**
 * Each argument is an option of grep: of a long table only what can matter is passed on. What the tool says
 * besides comes last, or it would cut lines in two. Older tools list IPv4 alone unless they are asked.
 */
const listScript = `exec 4>&1
said=$({ { conntrack -L -f ipv4; conntrack -L -f ipv6; } 2>&3 | grep -F "$@" >&4
  [ $? -le 1 ] || echo 'grep cannot be run' >&3; } 3>&1)
echo "$said"`;
/** What the tool says last when it could read a whole table; there are two. */
const wholeListing = /flow entries have been shown.\n.*flow entries have been shown.\s*$/s;

/**
 * Deletes connection-tracking entries, so that the next packet of such a flow is balanced anew or
 * refused. Gives back what stands in the way, undefined when nothing does.
 */
export async function forgetFlows(
  commands: KernelCommands,
  namespace: string | undefined,
  flows: readonly Flow[],
): Promise<string | undefined> {
  if (flows.length === 0) return undefined;
  const some = flows.slice(0, flowsForgottenMax);
  const selections = some.flatMap((flow) => (flow.kind === 'front' ? [frontSelection(flow)] : []));
  const backends = some.filter((flow) => flow.kind === 'backend');
  if (backends.length > 0) {
    const patterns = backends.flatMap(({ address }) => ['-e', `src=${address} `]);
    const args = ['-c', listScript, 'sh', ...patterns];
    const listed = await commands.run({ program: 'sh', args, namespace });
    const text = listed.kind === 'done' ? listed.stdout : listed.stderr;
    if (!wholeListing.test(text))
      return problem(text.trim().split('\n').at(-1) || 'conntrack says nothing');
    selections.push(...backendSelections(text, backends));
  }
  if (selections.length === 0) return undefined;
  const args = ['-c', deleteScript, 'sh', ...selections.map((each) => each.join(' '))];
  const outcome = await commands.run({ program: 'sh', args, namespace });
  return outcome.kind === 'done' ? undefined : problem(outcome.message);
}

function problem(reason: string): string {
  return `open flows of stopped tasks are not ended: ${reason}`;
}

/** Protocol, number, seconds left, state where the protocol has one, and the source and ports of the way back. */
const entryLine =
  /^(\w+) +\d+ \d+ (?:([A-Z]\w+) )?src=\S+ .*? src=(\S+) dst=\S+ sport=(\d+) dport=(\d+) /;

/** What is balanced. Others the tool may not even know by the name that it prints. */
const balanced: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);

/** States of connections that are over, or as good as: a client that begins anew finds a new way by itself. */
const over: ReadonlySet<string> = new Set(['TIME_WAIT', 'CLOSE', 'LAST_ACK', 'CLOSED', 'NONE']);

/** States of SCTP that the tool prints, and dies of when it is asked for them (version 1.4.7). */
const unspeakable: ReadonlySet<string> = new Set(['HEARTBEAT_SENT', 'HEARTBEAT_ACKED']);

/**
 * What to delete of a listing of the kernel's table, so that nothing is left that goes to these backends.
 *
 * Entries are deleted by what they were called with, a while after they were read. Where the client has
 * used its port again meanwhile, that is a living connection, maybe to another backend. So those that are
 * over are left alone.
 */
export function backendSelections(
  listing: string,
  flows: readonly Extract<Flow, { kind: 'backend' }>[],
): readonly (readonly string[])[] {
  const found = new Map<string, readonly string[]>();
  for (const line of listing.split('\n')) {
    const [, protocol = '', state = '', address = '', taskPort = '', clientPort = ''] =
      entryLine.exec(line) ?? [];
    if (!balanced.has(protocol) || over.has(state)) continue;
    const asked = flows.some(
      (flow) =>
        flow.address === address && (flow.protocol === undefined || flow.protocol === protocol),
    );
    if (!asked) continue;
    const only = onlySuch(state, taskPort, clientPort);
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    const selection = ['-f', family, '-p', protocol, ...only, '--reply-src', address];
    found.set(selection.join(' '), selection);
  }
  return [...found.values()];
}

/** Of the flows to one backend those in this state; where the tool cannot be asked for it, this flow. */
function onlySuch(state: string, taskPort: string, clientPort: string): readonly string[] {
  if (state === '') return [];
  if (unspeakable.has(state)) return ['--reply-port-src', taskPort, '--reply-port-dst', clientPort];
  return ['--state', state];
}

function frontSelection(flow: Extract<Flow, { kind: 'front' }>): readonly string[] {
  const { protocol, address, port, family } = flow;
  return [
    ...['-f', family === 6 ? 'ipv6' : 'ipv4', '-p', protocol],
    ...(address === undefined ? [] : ['--orig-dst', address]),
    ...(port === undefined ? [] : ['--orig-port-dst', String(port)]),
  ];
}
