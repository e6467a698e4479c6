import type { StatusResponse } from '@shoal/proto';
import type { LogLevel } from '@shoal/runtime';
import type { RaftOptions } from '../node/options.ts';

/** What proves the voter and checks its callers. */
export interface VoterTls {
  readonly clusterId: string;
  readonly caCertificate: string;
  readonly certificate: string;
  readonly key: string;
}

/** What the worker thread is started with; plain data, copied into it. */
export interface VoterOptions {
  /** Where the log is kept, a folder of its own: nothing else may write there. Made if missing. */
  readonly dataDir: string;
  /** `host:port` to listen on; port 0 for any free one. */
  readonly listen: string;
  /** This voter's number in the cluster: random, never 0, never used again. */
  readonly voterId: number;
  readonly tls: VoterTls;
  readonly logLevel: LogLevel;
  /** Over the defaults of the log. */
  readonly raft?: Partial<RaftOptions> | undefined;
}

export type VoterStatus = StatusResponse;

/** Parent to worker. */
export type ToVoter =
  | { readonly kind: 'status'; readonly request: number }
  | { readonly kind: 'stop' };

/** Worker to parent. */
export type FromVoter =
  | { readonly kind: 'started'; readonly port: number }
  | { readonly kind: 'status'; readonly request: number; readonly status: VoterStatus }
  /** The voter cannot go on; its thread ends after this. */
  | { readonly kind: 'fatal'; readonly message: string };
