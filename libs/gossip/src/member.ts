import type { HostPort } from '@shoal/runtime';

/**
 * How a member is thought to be. `left` went by its own will, `dead` was given up; both are kept for a
 * while so that old news of them does not bring them back.
 */
export type Standing = 'alive' | 'suspect' | 'dead' | 'left';

/** What one host knows of another. */
export interface Member {
  /** The node's id. */
  readonly id: string;
  readonly addr: HostPort;
  /** Grows only by the member's own doing, when it contradicts what is said of it. */
  readonly incarnation: number;
  readonly standing: Standing;
}

/** News of a member, and who says so: suspicions of different hosts confirm each other. */
export interface Rumour extends Member {
  readonly from: string;
}

const weight: Readonly<Record<Standing, number>> = { alive: 0, suspect: 1, dead: 2, left: 2 };

/**
 * Whether news replace what is known (SWIM, section 4.2): the higher incarnation counts, and of the same
 * one the worse. Who is gone returns by a higher incarnation alone.
 */
export function supersedes(news: Member, known: Member): boolean {
  if (news.incarnation !== known.incarnation) return news.incarnation > known.incarnation;
  return weight[news.standing] > weight[known.standing];
}

export function isGone({ standing }: Pick<Member, 'standing'>): boolean {
  return standing === 'dead' || standing === 'left';
}

export function isSameAddress(a: HostPort, b: HostPort): boolean {
  return a.host === b.host && a.port === b.port;
}
