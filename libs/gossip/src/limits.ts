/** Constants of hashicorp/memberlist's configuration for local networks, which Swarm uses too. */

/** One member is probed so often, milliseconds. */
export const probeEveryMs = 1_000;
/** Wait for the answer to a direct probe before others are asked to try, milliseconds. */
export const probeAnswerMs = 500;
/** Members asked to probe on one's behalf. */
export const helpersMax = 3;
/** Pending news go out so often, milliseconds. */
export const gossipEveryMs = 200;
/** Least share of {@link gossipEveryMs} that passes; the rest is random, to part the hosts. */
export const paceShare = 0.9;
/** Members that get the pending news each time, whatever the size of the cluster. */
export const gossipFanOut = 3;
/** The whole list is exchanged with one member so often, milliseconds; less often in large clusters. */
export const syncEveryMs = 30_000;
/** Pause before a host's first exchange of the list; doubled up to the usual one, milliseconds. */
export const syncEveryMsFirst = 1_000;
/** Members up to which {@link syncEveryMs} holds; above, it grows with their number's logarithm. */
export const syncScaleFrom = 32;
/** Each piece of news is passed on so many times the logarithm of the cluster's size. */
export const retransmitFactor = 4;
/** Shortest suspicion in probe intervals, times the logarithm of the cluster's size. */
export const suspicionFactor = 4;
/** Longest suspicion, as a multiple of the shortest. */
export const suspicionFactorMax = 6;
/** Suspicions of others after which the shortest applies (Lifeguard, 4.2). */
export const confirmationsMax = 3;
/** Upper end of the local health score (Lifeguard, 4.1): how much slower a host that lags itself judges. */
export const awarenessMax = 8;
/** Largest incarnation: 32 bits have no larger one. No host gets there, but another may say that it did. */
export const incarnationMax = 2 ** 32 - 1;
/** A member that is gone is remembered this long, milliseconds. */
export const goneKeptMs = 24 * 60 * 60_000;
/** A member held for dead is still sent news for so long, milliseconds: it may live and object. */
export const gossipToGoneMs = 30_000;
/** Largest packet, sealed, bytes; as in Swarm. */
export const packetBytesMax = 1_400;
/** News waiting to be passed on; of more, the most often told are dropped first. */
export const rumoursMax = 4_096;
/** Members that are remembered, gone ones included. */
export const membersMax = 20_000;
/** Probes of this host, and those it does for others, that wait for an answer. */
export const probesMax = 256;
/** A sync with some of the dead is tried so often, milliseconds: after a partition nobody else would begin. */
export const reconnectEveryMs = 2_000;
/** Dead members that a sync is tried with each time, for some may really be dead. */
export const reconnectFanOut = 2;
/** Least time between syncs with unknown senders of packets, milliseconds. */
export const strangersEveryMs = 1_000;
/** A withdrawn record is remembered so long after it was, milliseconds; as in Swarm. */
export const tombstoneKeptMs = 30 * 60_000;
/** Records of a host that is gone are kept so long, hidden, milliseconds; as in Swarm. */
export const absentKeptMs = 30 * 60_000;
/**
 * What a host published before it was restarted stays its own for so long after it says what it has,
 * milliseconds: its containers run on, and are published again one by one.
 */
export const inheritedKeptMs = 30_000;
/** Records of one network, withdrawn ones included. */
export const recordsMax = 131_072;
/** Records of one network waiting to be passed on. */
export const tableBroadcastsMax = 4_096;
/** Tables are compared with another host of each network so often, milliseconds. */
export const tableSyncEveryMs = 3_000;
/** Pause for a while after a host came, a network was joined or a record learned, milliseconds. */
export const tableSyncSoonMs = 500;
/** Comparisons at the quick pace before the usual one returns. */
export const tableSyncsSoon = 5;
/** Hosts that tables are compared with each time, so that each network has its turn. */
export const tableSyncPeersMax = 4;
/** Records in one message of a connection, bytes; the rest follows with the next comparison. */
export const exchangeBytesMax = 1_048_576;
/** Largest message of a connection, bytes. */
export const frameBytesMax = 4 * 1_048_576;
/** Largest message before it is known that the other has the key, bytes. */
export const helloBytesMax = 1_024;
/** Longest that a publication waits for other hosts to acknowledge it, milliseconds. */
export const pushWaitMs = 2_000;
/** Hosts that are told of a record directly at the same time. */
export const pushesAtOnceMax = 64;
/** Records of tables are cleaned up so often, milliseconds. */
export const sweepEveryMs = 10_000;
/** A seed, by which others are found, is asked this often while none is there, milliseconds. */
export const seedsEveryMs = 2_000;
/** A missing seed is asked this often while others are there, milliseconds: a split has sides. */
export const straySeedsEveryMs = 30_000;
/**
 * How far ahead of this host's own time another's may be, milliseconds: ten years. Clocks may be wrong; who is
 * further off has no certificate that is valid. It keeps times that nobody can outdo out of the tables.
 */
export const aheadMsMax = 10 * 365 * 86_400_000;
/**
 * A new key seals so long after this host has heard of it, milliseconds: by then others have too, also who
 * was cut off from the managers for hours. Keys are made twice a day, and three are kept.
 */
export const keyPromotedAfterMs = 11 * 60 * 60_000;
