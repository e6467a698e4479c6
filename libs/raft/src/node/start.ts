import type { Clock, Logger, Random } from '@shoal/runtime';
import type { Ready } from '../core/events.ts';
import type { Raft } from '../core/state.ts';
import type { StateMachine } from '../machine.ts';
import type { LogStorage } from '../storage.ts';
import type { Membership, VoterId } from '../types.ts';
import type { RaftOptions } from './options.ts';
import type { Transport } from './transport.ts';

/** What a voter is made of. */
export interface RaftNodeStart {
  readonly id: VoterId;
  /**
   * Used only while the log names none: the founders of a brand new log, or, for one that joins, the
   * voters it was told of with itself as a learner.
   */
  readonly membership: Membership;
  /** The other voters are lost for good: go on alone with all that is on this disk. */
  readonly recovery?: 'new-cluster' | undefined;
  /** From here on the node's: `stop` closes it. */
  readonly storage: LogStorage;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A sole voter needs none. */
  readonly transport?: Transport;
  readonly options?: Partial<RaftOptions>;
  /** Sees every step of the core; for tests and simulations. */
  readonly observer?: (raft: Raft, ready: Ready) => void;
}
