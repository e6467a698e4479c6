import type { Instant, Random } from '@shoal/runtime';
import { certificatesOf } from './chain.ts';

/** As Swarm: a certificate is renewed at a random point between these shares of its life. */
const renewalShare = { first: 0.5, last: 0.8 } as const;

export interface Validity {
  readonly from: Instant;
  readonly to: Instant;
}

/** When the first certificate of a PEM text is valid. */
export function validityOf(certificate: string): Validity | undefined {
  const [leaf] = certificatesOf(certificate);
  if (leaf === undefined) return undefined;
  const from = leaf.validFromDate.getTime() as Instant;
  return { from, to: leaf.validToDate.getTime() as Instant };
}

/** When to ask for the next certificate: spread, so that nodes that joined together do not come together. */
export function nextRenewal(certificate: string, now: Instant, random: Random): Instant {
  const validity = validityOf(certificate);
  if (validity === undefined) return now;
  const { first, last } = renewalShare;
  const share = first + random.next() * (last - first);
  const at = validity.from + share * (validity.to - validity.from);
  return Math.round(Math.max(at, now)) as Instant;
}

/** What is wrong between the certificate and this host's clock, in one sentence; undefined when nothing is. */
export function clockProblem(certificate: string, now: Instant): string | undefined {
  const validity = validityOf(certificate);
  if (validity === undefined) return undefined;
  const { from, to } = validity;
  if (now < from)
    return (
      `the certificate of this node is valid only from ${timeText(from)}, ${seconds(from - now)} s from now by this host's clock: ` +
      'set the clock right, and the certificate is made anew if need be'
    );
  if (now >= to)
    return (
      `the certificate of this node ended ${timeText(to)}, ${seconds(now - to)} s ago by this host's clock: ` +
      'it is renewed as soon as a manager can be reached'
    );
  return undefined;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

function timeText(at: Instant): string {
  return new Date(at).toISOString();
}
