/** How long a host may serve something else than the log implies before it is told all, milliseconds. */
export const driftGraceMs = 2_000;
/** Longest that a host may differ even while the network's records keep changing, milliseconds. */
export const driftMsMax = 10_000;
/** How often networks in which a host differs are looked at again, milliseconds. */
export const driftLookMs = 500;
/** How far what hosts are compared with may be behind the log, milliseconds. */
export const compareMsMax = 250;
/** Pause after a repair until the next of the same network, milliseconds; twice as long after each in vain. */
export const repairEveryMs = 2_000;
/** Longest pause between repairs, milliseconds: one host that never agrees must not cost all. */
export const repairEveryMsMax = 5 * 60_000;
/** Age of a gossip key at which the next one is made, milliseconds; Swarm's twelve hours. */
export const keyRotationMs = 12 * 3_600_000;
/** Keys in the ring: one that is only known yet, the one that seals, the one before. */
export const keysMax = 3;
/** Longest wait for the address of a container, milliseconds. */
export const attachMsMax = 4_000;
/** Containers that may wait for their address at the same time. */
export const attachesMax = 256;
/** Age at which an attachment that its node does not know is cleared away, milliseconds. */
export const attachmentGraceMs = 30_000;
