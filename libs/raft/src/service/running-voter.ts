import { rm } from 'node:fs/promises';
import type {
  ChannelOptions,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { channelOptions } from '@shoal/pki';
import { LogClient, VotersClient } from '@shoal/proto';
import { type Clock, type Logger, type Random, systemClock, systemRandom } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { AuditJournal } from '../audit/audit-journal.ts';
import { type RecordCipher, recordCipher } from '../cipher.ts';
import { DiskError } from '../disk/disk.ts';
import { fileSystem } from '../disk/file-system.ts';
import { completeOptions } from '../node/options.ts';
import type { ChangeOutcome, TransferOutcome } from '../node/outcomes.ts';
import { RaftNode } from '../node/raft-node.ts';
import type { LogStorage } from '../storage.ts';
import type { VoterId } from '../types.ts';
import { openLogStorage } from '../wal/log-storage.ts';
import { dial } from '../wire/dial.ts';
import { delivering } from '../wire/protocol.ts';
import { type Admission, type AnyCall, admitManagers, admitPresent } from './admission.ts';
import { watchDemotions } from './demotions.ts';
import { LeaderRoute, leaderClients } from './leader-route.ts';
import { leadership, leadsHere } from './leadership.ts';
import { LogConnections } from './log-connections.ts';
import { MemberKeeper } from './member-keeper.ts';
import { MembershipCalls } from './membership-call.ts';
import { PeerTransport } from './peer-transport.ts';
import { type OwnStatus, wireStatus } from './status-call.ts';
import { VoterCredentials } from './voter-credentials.ts';
import { figuresOf, RoleWatch } from './voter-figures.ts';
import { VoterMachine } from './voter-machine.ts';
import { VoterService, type VoterServiceOptions } from './voter-service.ts';
import type {
  LogKey,
  VoterFigures,
  VoterOptions,
  VoterOrder,
  VoterOutcome,
  VoterStatus,
} from './worker-protocol.ts';
import { WriteTimes } from './write-times.ts';

/** A peer is asked for a sign of life so often, and given up without one, milliseconds. */
const peerKeepaliveMs = 2_000;

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface OpenLog {
  readonly node: RaftNode;
  readonly transport: PeerTransport;
  readonly route: LeaderRoute;
  readonly roles: RoleWatch;
  readonly writes: WriteTimes;
}

interface Service {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A voter that runs on this thread, ready to be served. */
export interface RunningVoter {
  readonly services: readonly Service[];
  /** Connections that speak the log's own protocol. */
  readonly connections: LogConnections;
  readonly credentials: VoterCredentials;
  readonly admit: (call: AnyCall) => Admission;
  status(): Promise<VoterStatus>;
  obey(order: VoterOrder): Promise<VoterOutcome>;
  onRemoved(listener: () => void): void;
  /** Calls `listener` when nodes were removed or demoted, with what tells which they are. */
  onNodesOut(listener: (out: (nodeId: string) => boolean) => void): void;
  /** Hands leadership over, stores what was accepted, ends all streams, closes the log. */
  stop(): Promise<void>;
}

/** Voters have a connection of their own to each other: nothing waits behind what their clients send. */
function peerOptions(): ChannelOptions {
  return {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
    'grpc.keepalive_time_ms': peerKeepaliveMs,
    'grpc.keepalive_timeout_ms': peerKeepaliveMs,
  };
}

/** @throws when the log is damaged, in use, or sealed with another key. */
export async function openVoter(options: VoterOptions, logger: Logger): Promise<RunningVoter> {
  const parts: Parts = { clock: systemClock, random: systemRandom, logger };
  const { dataDir: directory, tls } = options;
  const cipher = cipherOf(options.keys);
  const sealing = cipher === undefined ? {} : { cipher };
  const storage = await openLogStorage({ directory, disk: fileSystem, ...sealing, ...parts });
  const { snapshot, entries } = storage.recovered;
  const isNew = snapshot === undefined && entries.length === 0;
  const audit = await openAudit(options, isNew, parts);
  const machine = new VoterMachine(audit);
  const credentials = new VoterCredentials(tls);
  const isRemoved = (nodeId: string): boolean =>
    machine.view.cluster?.removedNodes?.[nodeId] !== undefined;
  const admit = admitManagers(tls.clusterId, isRemoved);
  // The own host's processes do not wait until this voter has caught up with the node's promotion.
  const isOther = (nodeId: string): boolean => nodeId !== options.nodeId;
  const isDemoted = (nodeId: string): boolean =>
    isOther(nodeId) && machine.view.nodes.get(nodeId)?.role === 'worker';
  const admissions = { admit, admitPresent: admitPresent(admit, isDemoted) };
  const log = await openLog({ options, storage, machine, credentials, admit, parts });
  const served = serve({ log, machine, credentials, admissions, parts });
  if (options.raft?.snapshotIntervalEntries === undefined) followHabit(log.node, machine);
  const connections = new LogConnections({
    ...admissions,
    propose: (stream, opening) => served.service.serveProposals(stream, opening),
    follow: (stream, opening) => served.service.serveFollower(stream, opening),
    deliver: (stream, opening, nodeId) => log.transport.deliver(stream, opening, nodeId),
    clock: parts.clock,
  });
  return {
    connections,
    services: [served.service, served.membership, log.transport],
    credentials,
    admit,
    status: async () => ({
      ...(await served.service.status()),
      figures: { ...figuresOf(log, served.service.forwarded), audit: auditFigures(audit) },
      oldestLogKey: await oldestLogKey(storage),
    }),
    obey: (order) => obey(order, { node: log.node, credentials, audit }),
    onRemoved: (listener) => void log.node.onRemoved(listener),
    onNodesOut: (listener) => {
      watchRemovals(log.node, machine, () => listener(isRemoved));
      watchDemotions(machine, isOther, listener);
    },
    stop: async () => {
      served.keeper.stop();
      await log.node.stop();
      served.service.stop();
      log.route.stop();
      await audit?.stop();
    },
  };
}

/** None where nobody said where, as in tests, and where its files cannot be read: the log does not wait for that. */
async function openAudit(
  { auditDir: directory }: VoterOptions,
  isNew: boolean,
  { clock, logger }: Parts,
): Promise<AuditJournal | undefined> {
  if (directory === undefined) return undefined;
  try {
    if (isNew) await putAside(directory);
    return await AuditJournal.open({ directory, disk: fileSystem, clock, logger });
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    logger.error({ directory, reason: error.message }, 'audit_unreadable');
    return undefined;
  }
}

/**
 * What this host noted before it had this log may be of a history that the swarm has given up since, by
 * `--force-new-cluster` or a backup: its entries say nothing of those that have the same places now.
 */
async function putAside(directory: string): Promise<void> {
  const aside = `${directory}.before`;
  if ((await fileSystem.list(directory).catch(() => [])).length === 0) return;
  // What cannot be removed is in the way of the next step, which says so.
  await rm(aside, { recursive: true, force: true }).catch(() => undefined);
  await fileSystem.rename(directory, aside);
}

function auditFigures(audit: AuditJournal | undefined): VoterFigures['audit'] {
  return audit === undefined
    ? { kept: false, records: 0, failures: 0 }
    : { kept: true, ...audit.figures };
}

/** A disk that does not say leaves the question open until the next time. */
async function oldestLogKey(storage: LogStorage): Promise<number> {
  try {
    return await storage.oldestKey();
  } catch {
    return 0;
  }
}

/** `docker swarm update --snapshot-interval` and `--max-snapshots` count while the voter runs. */
function followHabit(node: RaftNode, machine: VoterMachine): void {
  let seen: unknown;
  const look = (): void => {
    const raft = machine.view.cluster?.spec.Raft;
    if (raft === undefined || raft === seen) return;
    seen = raft;
    node.keepSnapshots({
      entries: raft.SnapshotInterval,
      older: raft.KeepOldSnapshots,
      forFollowers: raft.LogEntriesForSlowFollowers,
    });
  };
  node.onCommitted(look);
  look();
}

/** Whether it came with an entry or with a snapshot; what is the same object has not changed. */
function watchRemovals(node: RaftNode, machine: VoterMachine, changed: () => void): void {
  let seen = machine.view.cluster?.removedNodes;
  node.onCommitted(() => {
    const removed = machine.view.cluster?.removedNodes;
    if (removed === seen) return;
    seen = removed;
    changed();
  });
}

/** The log with its peers, and the way to its leader. */
async function openLog(start: {
  readonly options: VoterOptions;
  readonly storage: LogStorage;
  readonly machine: VoterMachine;
  readonly credentials: VoterCredentials;
  readonly admit: (call: AnyCall) => Admission;
  readonly parts: Parts;
}): Promise<OpenLog> {
  const { options, storage, machine, credentials, admit, parts } = start;
  const self = options.voterId as VoterId;
  const writes = new WriteTimes();
  writes.watch(storage, parts.clock);
  const roles = new RoleWatch();
  const raft = completeOptions(options.raft);
  const { source } = credentials;
  const transport = new PeerTransport({
    self,
    dial: (addr, value, openMsMax) => {
      const opening = { $case: 'deliver', value } as const;
      return dial({ addr, source, opening, codec: delivering, clock: parts.clock, openMsMax });
    },
    connect: (addr) => new VotersClient(addr, credentials.channel, peerOptions()),
    admit,
    received: () => route.check(),
    ...parts,
  });
  let leading = false;
  const route = new LeaderRoute({
    current: () => (leading ? leadsHere : leadership(node, transport)),
    connect: (addr) => leaderClients(addr, source, credentials.channel),
    clock: parts.clock,
    waitMsMax: 2 * raft.tickMs * raft.electionTicks,
  });
  const node: RaftNode = await RaftNode.open({
    id: self,
    membership: options.membership,
    recovery: options.recovery,
    storage,
    machine,
    transport,
    options: raft,
    observer: ({ role }) => roles.seen(role.kind),
    ...parts,
  });
  // The first to hear of it: everybody else asks the route.
  node.onLeadership((leads) => {
    leading = leads;
  });
  return { node, transport, route, roles, writes };
}

/** What is done with the log: for its callers, and by its leader. */
function serve({
  log: { node, transport, route },
  machine,
  credentials,
  admissions,
  parts,
}: {
  readonly log: OpenLog;
  readonly machine: VoterMachine;
  readonly credentials: VoterCredentials;
  readonly admissions: Pick<VoterServiceOptions, 'admit' | 'admitPresent'>;
  readonly parts: Parts;
}): { service: VoterService; membership: MembershipCalls; keeper: MemberKeeper } {
  const view = (): StateView => machine.view;
  const status = (): OwnStatus => wireStatus(node.status);
  const forwardedAnswered = (): void => transport.hurryNews();
  const service = new VoterService({
    log: node,
    machine,
    ...admissions,
    status,
    route,
    forwardedAnswered,
    ...parts,
  });
  const dial = (addr: string): LogClient => new LogClient(addr, credentials.channel, peerOptions());
  const membership = new MembershipCalls({
    log: node,
    route,
    view,
    dial,
    ...admissions,
    ...parts,
  });
  const propose: VoterService['propose'] = (transaction) => service.propose(transaction);
  const keeper = new MemberKeeper({ log: node, view, propose, ...parts });
  machine.onApplied(({ changes }) => {
    if (changes.some(({ table }) => table === 'node' || table === 'cluster')) keeper.poke();
  });
  node.onCommitted(() => service.committed());
  node.onLeadership((leads) => {
    if (leads) service.leadershipGained();
    else service.leadershipLost();
    route.check();
    keeper.poke();
  });
  return { service, membership, keeper };
}

/** None where there is no key: a log of a test, to be read by people. */
function cipherOf(keys: readonly LogKey[]): RecordCipher | undefined {
  if (keys.length === 0) return undefined;
  const opened = keys.map(({ number, key }) => ({ number, key: Buffer.from(key, 'base64') }));
  return recordCipher(opened, systemRandom);
}

async function obey(
  order: VoterOrder,
  {
    node,
    credentials,
    audit,
  }: {
    readonly node: RaftNode;
    readonly credentials: VoterCredentials;
    readonly audit: AuditJournal | undefined;
  },
): Promise<VoterOutcome> {
  switch (order.kind) {
    case 'renew':
      credentials.renew(order.tls);
      return { kind: 'done' };
    case 'rotate-keys':
      return rotate(node, cipherOf(order.keys));
    case 'change-membership':
      return outcomeOf(await node.changeMembership(order.change));
    case 'flush-audit':
      await audit?.flush();
      return { kind: 'done' };
    case 'transfer-leadership':
      return outcomeOf(await node.transferLeadership());
  }
}

function rotate(node: RaftNode, cipher: RecordCipher | undefined): VoterOutcome {
  if (cipher === undefined) return { kind: 'failed', code: 'refused', message: 'no key was given' };
  node.rotate(cipher);
  return { kind: 'done' };
}

function outcomeOf(outcome: ChangeOutcome | TransferOutcome): VoterOutcome {
  return outcome.kind === 'failed' ? outcome : { kind: 'done' };
}
