import type { Instant, LogIndex } from '@shoal/runtime';
import type { TableName, Tables } from './objects.ts';

/** One step of a transaction. Updates and deletes name the version they read. */
export type Change =
  | { readonly [T in TableName]: Create<T> }[TableName]
  | { readonly [T in TableName]: Update<T> }[TableName]
  | Delete;

/** `object.meta` is ignored and filled in by the state machine. */
export interface Create<T extends TableName> {
  readonly op: 'create';
  readonly table: T;
  readonly object: Tables[T];
}

/** `object.meta.version` is the version that was read; the rest of `meta` is ignored. */
export interface Update<T extends TableName> {
  readonly op: 'update';
  readonly table: T;
  readonly object: Tables[T];
}

export interface Delete {
  readonly op: 'delete';
  readonly table: TableName;
  readonly id: string;
  readonly version: LogIndex;
}

/** Who caused a change: a person through the API, a stage, an agent through its dispatcher, or the log itself. */
export interface Actor {
  readonly kind: 'user' | 'stage' | 'agent' | 'system';
  /** For example `docker service create`, `scheduler`, a node id. */
  readonly name: string;
  /** The manager that a person asked. */
  readonly node?: string | undefined;
  /** How that manager knows who asked: `local socket`, `10.0.0.9`, `alice at 10.0.0.9`. */
  readonly client?: string | undefined;
}

/** A set of changes that commits whole or is refused whole. */
export interface Transaction {
  /** Unique; the proposer finds its outcome by it. */
  readonly id: string;
  readonly actor: Actor;
  /** Why, in a few words a person can read. */
  readonly reason: string;
  /** The log index of the state the decision was made on. */
  readonly decidedAt: LogIndex;
  /** Under which right; absent for users and the log itself. */
  readonly lease?: { readonly id: string; readonly epoch: LogIndex } | undefined;
  readonly changes: readonly Change[];
}

/** Why the state machine refused a transaction, precise enough to act on without parsing text. */
export type Refusal =
  | { readonly kind: 'stale-lease'; readonly lease: string; readonly epoch: LogIndex }
  | {
      readonly kind: 'version-conflict';
      readonly table: TableName;
      readonly id: string;
      readonly read: LogIndex;
      readonly current: LogIndex;
    }
  | { readonly kind: 'not-found'; readonly table: TableName; readonly id: string }
  | { readonly kind: 'already-exists'; readonly table: TableName; readonly id: string }
  | {
      readonly kind: 'name-conflict';
      readonly table: TableName;
      readonly name: string;
      readonly holder: string;
    }
  | {
      readonly kind: 'missing-reference';
      readonly table: TableName;
      readonly id: string;
      readonly referenced: TableName;
      readonly referencedId: string;
    }
  | {
      readonly kind: 'in-use';
      readonly table: TableName;
      readonly id: string;
      readonly by: TableName;
      readonly byId: string;
    }
  | {
      readonly kind: 'state-moved-back';
      readonly task: string;
      readonly field: 'desired' | 'observed';
      readonly from: string;
      readonly to: string;
    }
  | {
      readonly kind: 'over-capacity';
      readonly task: string;
      readonly node: string;
      /** `cpu` (nano-CPUs), `memory` (bytes), or the kind of a generic resource. */
      readonly resource: string;
      readonly asked: number;
      readonly free: number;
    }
  | {
      readonly kind: 'host-port-taken';
      readonly task: string;
      readonly node: string;
      readonly port: number;
      readonly protocol: string;
    }
  | {
      readonly kind: 'too-many-replicas';
      readonly task: string;
      readonly node: string;
      readonly max: number;
    }
  /** Somebody else has the address already: an older log index decides. */
  | {
      readonly kind: 'address-taken';
      readonly table: TableName;
      readonly id: string;
      readonly network: string;
      readonly address: string;
      readonly holder: { readonly table: TableName; readonly id: string };
    }
  /** The network has no subnet with the address and prefix length; or the subnet is not one. */
  | {
      readonly kind: 'address-outside';
      readonly table: TableName;
      readonly id: string;
      readonly network: string;
      readonly address: string;
    }
  | {
      readonly kind: 'subnet-overlap';
      readonly network: string;
      readonly subnet: string;
      /** The network with the subnet `other`. */
      readonly holder: string;
      readonly other: string;
    }
  | {
      readonly kind: 'vni-taken';
      readonly network: string;
      readonly vni: number;
      readonly holder: string;
    }
  /** A port of the routing mesh is published by another service. */
  | {
      readonly kind: 'port-taken';
      readonly service: string;
      /** `tcp/8080`. */
      readonly port: string;
      readonly holder: string;
    }
  /** Its demotion would leave the cluster without manager. */
  | { readonly kind: 'last-manager'; readonly node: string }
  /** It must be demoted before it can be removed. */
  | { readonly kind: 'is-manager'; readonly node: string }
  | {
      readonly kind: 'immutable';
      readonly table: TableName;
      readonly id: string;
      readonly field: string;
    };

export type Outcome =
  | { readonly kind: 'committed'; readonly transaction: string; readonly index: LogIndex }
  | {
      readonly kind: 'refused';
      readonly transaction: string;
      readonly index: LogIndex;
      /** Position in `changes` of the one that failed; -1 when the whole was refused (lease). */
      readonly change: number;
      readonly refusal: Refusal;
    };

/** One object's passage, as watchers and stages see it. `before` is absent on create, `after` on delete. */
export type AppliedChange = {
  readonly [T in TableName]: {
    readonly table: T;
    readonly id: string;
    readonly before: Tables[T] | undefined;
    readonly after: Tables[T] | undefined;
  };
}[TableName];

/** What applying one log entry did. */
export interface AppliedEntry {
  readonly index: LogIndex;
  readonly time: Instant;
  readonly outcomes: readonly Outcome[];
  /** Changes of the committed transactions, in order. */
  readonly changes: readonly AppliedChange[];
}
