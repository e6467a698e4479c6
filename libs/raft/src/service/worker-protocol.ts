import type { StatusResponse } from '@shoal/proto';
import type { LogLevel } from '@shoal/runtime';
import type { RaftOptions } from '../node/options.ts';
import type { Membership, MembershipChange } from '../types.ts';
import type { WriteTimesView } from './write-times.ts';

/** What proves the voter and checks its callers; PEM texts. */
export interface VoterTls {
  readonly clusterId: string;
  /** One or several; while a root is replaced, both. */
  readonly trustRoots: string;
  /** The node's own, then intermediates if there are any. */
  readonly certificate: string;
  readonly key: string;
}

/** A key that the log on disk is sealed with. */
export interface LogKey {
  readonly number: number;
  /** 32 bytes in base64. */
  readonly key: string;
}

/** What the worker thread is started with; plain data, copied into it. */
export interface VoterOptions {
  /** Where the log is kept, a folder of its own: nothing else may write there. Made if missing. */
  readonly dataDir: string;
  /** Where who changed what is kept, for this swarm alone; absent: nowhere. Made if missing. */
  readonly auditDir?: string | undefined;
  /** `host:port` to listen on; port 0 for any free one. */
  readonly listen: string;
  /** This voter's number in the cluster: random, never 0, never used again. */
  readonly voterId: number;
  /** Of the node whose certificate `tls` has. */
  readonly nodeId: string;
  /** Counts only while the disk knows none. A newcomer is a learner of those it was told of. */
  readonly membership: Membership;
  /** `new-cluster`: keeps all that is on this disk and goes on as the only voter. */
  readonly recovery?: 'new-cluster' | undefined;
  readonly tls: VoterTls;
  /** Newest last; empty for a log that is not sealed. */
  readonly keys: readonly LogKey[];
  readonly logLevel: LogLevel;
  /** Over the defaults of the log. */
  readonly raft?: Partial<RaftOptions> | undefined;
}

/** What only the voter itself knows, for metrics. */
export interface VoterFigures {
  /** Durable writes since the start, the entries they carried, and how long they took. */
  readonly writes: number;
  readonly entriesWritten: number;
  readonly writeTimes: WriteTimesView;
  /** Elections this voter stood in, and those it won. */
  readonly elections: number;
  readonly electionsWon: number;
  /** Proposals passed on to the leader. */
  readonly proposalsForwarded: number;
  /** Whether who changed what is noted, how much was since the start, and the writes that the disk refused. */
  readonly audit: { readonly kept: boolean; readonly records: number; readonly failures: number };
  readonly role: 'leader' | 'follower' | 'candidate' | 'pre-candidate';
  readonly peers: readonly VoterPeer[];
}

/** One of the other members as this voter reaches it. */
export interface VoterPeer {
  readonly id: number;
  readonly nodeId: string;
  readonly connected: boolean;
  /** Entries it is behind the leader; 0 on voters that do not lead. */
  readonly lag: number;
  readonly waitingMessages: number;
  readonly waitingBytes: number;
  readonly droppedMessages: number;
}

export interface VoterStatus extends StatusResponse {
  readonly figures: VoterFigures;
  /** Keys of the log with lower numbers open nothing on the disk any more; 0 when nobody can say. */
  readonly oldestLogKey: number;
}

/** A call of the `CertificateAuthority` service, from somebody who may have no certificate yet. */
export interface AuthorityCall {
  readonly method: 'trustRoot' | 'issue';
  /** The request in protobuf. */
  readonly request: Uint8Array;
  /** `address:port` of the caller. */
  readonly remoteAddr: string;
}

export type AuthorityAnswer =
  /** The response in protobuf. */
  | { readonly kind: 'response'; readonly response: Uint8Array }
  /** `code` is a gRPC status. */
  | { readonly kind: 'error'; readonly code: number; readonly message: string };

/** How an order to the voter ended. */
export type VoterOutcome =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'failed';
      readonly code: string;
      /** One sentence for people. */
      readonly message: string;
    };

/** What the hosting process asks of the voter. */
export type VoterOrder =
  | { readonly kind: 'renew'; readonly tls: VoterTls }
  | { readonly kind: 'rotate-keys'; readonly keys: readonly LogKey[] }
  | { readonly kind: 'change-membership'; readonly change: MembershipChange }
  | { readonly kind: 'transfer-leadership' }
  /** Done when the audit's files hold what was applied, or the disk has refused it. */
  | { readonly kind: 'flush-audit' };

/** Parent to worker. */
export type ToVoter =
  | { readonly kind: 'status'; readonly request: number }
  | { readonly kind: 'order'; readonly request: number; readonly order: VoterOrder }
  | { readonly kind: 'authority-answer'; readonly call: number; readonly answer: AuthorityAnswer }
  | { readonly kind: 'stop' }
  /** End at once, as a crash would. */
  | { readonly kind: 'kill' };

/** Worker to parent. */
export type FromVoter =
  | { readonly kind: 'started'; readonly port: number }
  | { readonly kind: 'status'; readonly request: number; readonly status: VoterStatus }
  | { readonly kind: 'outcome'; readonly request: number; readonly outcome: VoterOutcome }
  | { readonly kind: 'authority-call'; readonly call: number; readonly content: AuthorityCall }
  /** This voter is no member any more. */
  | { readonly kind: 'removed' }
  /** The voter cannot go on; its thread ends after this. */
  | { readonly kind: 'fatal'; readonly message: string };
