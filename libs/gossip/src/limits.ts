/** Constants of hashicorp/memberlist's configuration for local networks, which Swarm uses too. */

/** One member is probed so often, milliseconds. */
export const probeEveryMs = 1_000;
/** Wait for the answer to a direct probe before others are asked to try, milliseconds. */
export const probeAnswerMs = 500;
/** Members asked to probe on one's behalf. */
export const helpersMax = 3;
/** Pending news go out so often, milliseconds. */
export const gossipEveryMs = 200;
/** Members that get them each time, whatever the size of the cluster. */
export const gossipFanOut = 3;
/** The whole list is exchanged with one member so often, milliseconds; less often in large clusters. */
export const syncEveryMs = 30_000;
/** The first time after this, and then after twice as long, milliseconds. */
export const syncEveryMsFirst = 1_000;
/** Up to this size; then the pause grows with the logarithm. */
export const syncScaleFrom = 32;
/** Each piece of news is passed on so many times the logarithm of the cluster's size. */
export const retransmitFactor = 4;
/** Shortest suspicion in probe intervals, times the logarithm of the cluster's size. */
export const suspicionFactor = 4;
/** The longest, as a multiple of the shortest. */
export const suspicionFactorMax = 6;
/** Suspicions of others after which the shortest applies (Lifeguard, 4.2). */
export const confirmationsMax = 3;
/** Upper end of the local health score (Lifeguard, 4.1): how much slower a host that lags itself judges. */
export const awarenessMax = 8;
/** Who is gone is kept this long, milliseconds. */
export const goneKeptMs = 24 * 60 * 60_000;
/** And told what is said of it for so long, in case it lives. */
export const gossipToGoneMs = 30_000;
/** Largest packet, bytes: fits the least IPv6 path with room for headers. */
export const packetBytesMax = 1_200;
/** News waiting to be passed on; of more, the most often told go first. */
export const rumoursMax = 4_096;
/** Members that are remembered, gone ones included. */
export const membersMax = 20_000;
/** Probes of this host, and those it does for others, that wait for an answer. */
export const probesMax = 256;
/** A sync with one of the dead is tried so often, milliseconds: after a partition nobody else would begin. */
export const reconnectEveryMs = 5_000;
