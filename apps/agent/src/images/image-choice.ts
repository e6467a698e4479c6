import type { ImageSource } from '@shoal/proto';
import type { ImageOffer } from './image-share.ts';
import { parseReference } from './reference.ts';

/** A node, and which image it has. */
export interface Offered {
  readonly source: ImageSource;
  readonly offer: ImageOffer;
}

export interface ChosenImage {
  readonly kind: 'chosen';
  readonly offer: ImageOffer;
  readonly sources: readonly ImageSource[];
  /** False for what workers alone say of a registry's digest. */
  readonly isConfirmed: boolean;
  /** What people should know of it; empty when there is nothing. */
  readonly note: string;
}

export type Choice =
  | ChosenImage
  | {
      readonly kind: 'refused';
      /** One sentence. */
      readonly reason: string;
      /** With nobody else to ask, workers may be believed. */
      readonly isUnconfirmed: boolean;
    };

/**
 * Which of the images that nodes have under a reference is meant. A spec that names the image itself leaves
 * no choice. Else managers are believed, who write the specs. A registry's digest stands for one image: nodes
 * that disagree on it are not believed, and workers alone only where `believesWorkers`. Under a tag the
 * newest counts. There is at least one offer.
 */
export function chooseImage(
  reference: string,
  offers: readonly [Offered, ...Offered[]],
  believesWorkers: boolean,
): Choice {
  const { digest } = parseReference(reference);
  const exact = offers.find(({ offer }) => offer.id === digest);
  if (exact !== undefined) return chosen(exact, offers, '');
  const [manager, ...managers] = offers.filter(({ source }) => source.manager);
  if (digest !== undefined && manager === undefined && !believesWorkers)
    return refused(`no manager says which image ${digest} is`, true);
  const [first, ...others] = manager === undefined ? offers : ([manager, ...managers] as const);
  const isAgreed = others.every(({ offer }) => offer.id === first.offer.id);
  const isConfirmed = digest === undefined || manager !== undefined;
  if (isAgreed) return { ...chosen(first, offers, ''), isConfirmed };
  if (digest !== undefined) return refused(`nodes disagree on which image ${digest} is`, false);
  const note = 'nodes have different images of it, this one is the newest';
  return chosen(others.reduce(newer, first), offers, note);
}

function chosen({ offer }: Offered, offers: readonly Offered[], note: string): ChosenImage {
  const same = offers.filter((each) => each.offer.id === offer.id);
  const sources = same.map(({ source }) => source);
  return { kind: 'chosen', offer, sources, isConfirmed: true, note };
}

function refused(reason: string, isUnconfirmed: boolean): Choice {
  return { kind: 'refused', reason, isUnconfirmed };
}

/** Of two that are equally old the one with the greater id, so that all nodes choose alike. */
function newer(one: Offered, other: Offered): Offered {
  const ages = other.offer.createdAt - one.offer.createdAt;
  return ages > 0 || (ages === 0 && other.offer.id > one.offer.id) ? other : one;
}
