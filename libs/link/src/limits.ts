/** The port of every host that the link shares with gossip. */
export const linkPort = 7_946;
/** Connections of other hosts at once. */
export const connectionsMax = 1_024;
/** Connections of one node at once. */
export const peerConnectionsMax = 256;
/** Connections that have not yet proved whose they are; then the oldest gives way. */
export const strangersMax = 256;
/** Connections without proof from one address; then the oldest of them gives way. */
export const strangersPerAddressMax = 64;
/** A connection without proof and request by then is closed, milliseconds. */
export const openingMsMax = 10_000;
/** Longest wait of a caller for the connection and the proof of the host at its other end, milliseconds. */
export const connectMsMax = 5_000;
/** A connection is closed so long after its last answer, milliseconds; callers do so at once. */
export const idleMsMax = 5_000;
/** A silent connection is asked after so long whether it still lives, milliseconds. */
export const keepAliveMs = 15_000;
