import type { Identity } from '@shoal/pki';
import { errorMessage, type Logger } from '@shoal/runtime';
import { canonical, type NodeDescription, type OwnNode } from '@shoal/state';

/** What a node says of where others reach it and its tunnels: nothing that its user did not say. */
export function namedPlaces({
  advertiseAddr,
  advertiseNamed,
  dataPathAddr,
}: Identity): Pick<NodeDescription, 'AdvertiseAddr' | 'DataPathAddr'> {
  const AdvertiseAddr = advertiseNamed === true ? canonical(advertiseAddr) : undefined;
  return {
    ...(AdvertiseAddr === undefined ? {} : { AdvertiseAddr }),
    ...(dataPathAddr === undefined ? {} : { DataPathAddr: dataPathAddr }),
  };
}

/**
 * Where others reach a worker from now on, as its address has changed; undefined when it stays. The managers see
 * it, but an address that is not the host's own is that of a translation on the way, and one beside the address of
 * before is that of another way to them. A manager's is in the log.
 */
export function movedTo(
  { role, advertiseAddr, advertiseNamed }: Identity,
  { status: { addr } }: Pick<OwnNode, 'status'>,
  isOwn: (address: string) => boolean,
): string | undefined {
  const follows = role === 'worker' && advertiseNamed === false;
  return follows && addr !== '' && isOwn(addr) && !isOwn(advertiseAddr) ? addr : undefined;
}

export interface FollowOptions {
  /** Changes the identity on disk: whoever follows that hears of it. */
  readonly updateIdentity: (change: (identity: Identity) => Identity) => Promise<Identity>;
  readonly isOwnAddress: (address: string) => boolean;
  readonly logger: Logger;
}

/** Keeps where others reach the node, as the managers see it now. */
export function followAddress(
  { updateIdentity, isOwnAddress, logger }: FollowOptions,
  identity: Identity,
  node: OwnNode,
): void {
  if (movedTo(identity, node, isOwnAddress) === undefined) return;
  const move = (before: Identity): Identity => {
    const advertiseAddr = movedTo(before, node, isOwnAddress);
    if (advertiseAddr === undefined || before.nodeId !== node.id) return before;
    logger.warn({ before: before.advertiseAddr, advertiseAddr }, 'address_changed');
    return { ...before, advertiseAddr };
  };
  updateIdentity(move).catch((error: unknown) =>
    logger.error({ reason: errorMessage(error) }, 'address_not_kept'),
  );
}
