import type { ConnectionLimits } from '@shoal/runtime';

/** Used until the cluster spec says otherwise; Docker's default. Milliseconds. */
export const heartbeatMsDefault = 5_000;
/** Longest period: with its jitter it is still one of the wire's 32 bits. Milliseconds, 30 days. */
export const heartbeatMsMax = 30 * 86_400_000;
/** A period is stretched or shortened by up to this share, so that agents do not beat in step. */
export const heartbeatJitter = 0.1;
/** Heartbeats that may be missed before a node counts as down. */
export const gracePeriods = 3;
/** Heartbeat periods in which a node must find a dispatcher after it lost its own. */
export const absencePeriods = 6;
/** After the first so many of them the node counts as unknown: an agent finds another dispatcher long before. */
export const unknownPeriods = 1;
/**
 * Connections at once. A node has one for its session and few others; strangers are handshakes, and who has no
 * certificate of the cluster. When a manager comes back all agents shake hands with it at once, some of them from
 * one address: enough of them for that, as each that gives way has to begin anew.
 */
export const connectionLimits: ConnectionLimits = {
  provedMax: 32_768,
  provedPerNodeMax: 64,
  strangersMax: 4_096,
  strangersPerAddressMax: 512,
};
/** Registrations that one node may make in a row. */
export const registrationsMax = 3;
/** One more is allowed again so often, milliseconds. */
export const registrationEveryMs = 1_000;
/** Descriptions that a session may send in a row; an agent looks at its host every 20 s, and at each change. */
export const descriptionsMax = 20;
/** One more is allowed again so often, milliseconds. */
export const descriptionEveryMs = 1_000;
/** Longest wait of a report or node write behind another proposal, milliseconds. */
export const writeHoldMsMax = 100;
/** Transactions in one proposal. */
export const writesPerProposalMax = 1_000;
/** Proposals under way at the same time. */
export const proposalsInFlightMax = 4;
/** Reports of one session that are not yet acknowledged; an agent that sends more is cut off. */
export const reportsPerSessionMax = 10_000;
/** Pause after a proposal failed as a whole: the first and the longest, milliseconds. */
export const retryMs = { first: 50, most: 2_000 } as const;
/** Log subscriptions at the same time: one for each task that a manager follows, and few others. */
export const logSubscriptionsMax = 8_192;
