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

/** Each argument is one selection; that nothing was found is told as a failure, and is none. */
const script = `for each; do
  said=$(conntrack -D $each 2>&1 >/dev/null) && continue
  case "$said" in *"0 flow entries"*) ;; *) echo "$said" >&2; exit 1;; esac
done`;

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
  const selections = flows.slice(0, flowsForgottenMax).map((flow) => selector(flow).join(' '));
  const args = ['-c', script, 'sh', ...selections];
  const outcome = await commands.run({ program: 'sh', args, namespace });
  if (outcome.kind === 'done') return undefined;
  return `open flows of stopped tasks are not ended: ${outcome.message}`;
}

function selector(flow: Flow): readonly string[] {
  if (flow.kind === 'backend') {
    const { address, protocol } = flow;
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    const only = protocol === undefined ? [] : ['-p', protocol];
    return ['-f', family, ...only, '--reply-src', address];
  }
  const { protocol, address, port, family } = flow;
  return [
    ...['-f', family === 6 ? 'ipv6' : 'ipv4', '-p', protocol],
    ...(address === undefined ? [] : ['--orig-dst', address]),
    ...(port === undefined ? [] : ['--orig-port-dst', String(port)]),
  ];
}
