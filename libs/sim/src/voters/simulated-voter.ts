import {
  CorruptStorageError,
  DiskError,
  type Member,
  type Membership,
  openLogStorage,
  RaftNode,
  type RaftOptions,
  recordCipher,
  type StateMachine,
  type VoterId,
} from '@shoal/raft';
import { FaultyDisk, type SafetyChecker } from '@shoal/raft/testing';
import type { Clock, Logger } from '@shoal/runtime';
import { SimulatedProcess } from '../process.ts';
import type { SeededRandom } from '../random.ts';
import type { ListMachine } from './list-machine.ts';
import type { VoterNetwork } from './network.ts';
import { SkewedClock } from './skewed-clock.ts';
import { slowDisk } from './slow-disk.ts';

const directory = '/log';
/** Small, so that a run goes through many segments. */
const segmentBytes = 8_192;
/** As the product does, the log is encrypted. */
const logKey = { number: 1, key: Buffer.alloc(32, 1) } as const;
const writeMsUsual = 0.5;
/** A file with less in it may hold nothing but its newest frame. */
const rotFromBytes = 2_048;
/** Wait before a voter whose disk did not let it start is started again, milliseconds. */
const startAgainMs = 500;

export interface SimulatedVoterParts {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly network: VoterNetwork;
  readonly logger: Logger;
  readonly checker: SafetyChecker;
  readonly options: Partial<RaftOptions>;
  readonly machine: () => ListMachine;
}

/** One voter: its disk outlives its processes. */
export class SimulatedVoter {
  readonly member: Member;
  readonly clock: SkewedClock;
  readonly disk: FaultyDisk;
  readonly #parts: SimulatedVoterParts;
  /** What it is told of the others at its very first start. */
  readonly #told: Membership;
  #process: SimulatedProcess | undefined;
  #node: RaftNode | undefined;
  #machine: ListMachine | undefined;
  #state: 'down' | 'starting' | 'up' | 'damaged' | 'removed' = 'down';
  writeMs = writeMsUsual;

  constructor(id: VoterId, told: (member: Member) => Membership, parts: SimulatedVoterParts) {
    this.member = { id, nodeId: `node-${id}`, addr: `10.0.0.${id}:2377` };
    this.#parts = parts;
    this.#told = told(this.member);
    this.clock = new SkewedClock(parts.clock);
    this.disk = new FaultyDisk(parts.random.fork());
  }

  get id(): VoterId {
    return this.member.id;
  }

  get state(): 'down' | 'starting' | 'up' | 'damaged' | 'removed' {
    return this.#state;
  }

  /** While it is up. */
  get node(): RaftNode | undefined {
    return this.#node;
  }

  get machine(): (StateMachine & Pick<ListMachine, 'values' | 'index'>) | undefined {
    return this.#machine;
  }

  start(): void {
    if (this.#state !== 'down') return;
    this.#state = 'starting';
    const { random } = this.#parts;
    const process = new SimulatedProcess(`voter-${this.id}`, this.clock, random.fork());
    this.#process = process;
    void this.#run(process);
  }

  /** kill -9, or the power fails: what is not on the disk is gone. */
  crash(): void {
    this.#process?.kill();
    this.#parts.network.left(this.id);
    this.disk.crash();
    this.#node = undefined;
    this.#machine = undefined;
    if (this.#state !== 'removed' && this.#state !== 'damaged') this.#state = 'down';
  }

  /** Flips a bit of what is on the disk of a voter that is down. Whether there was something to flip. */
  async rot(file: number, place: number): Promise<boolean> {
    const names = (await this.disk.list(directory)).filter((name) => /\.(wal|snap)/.test(name));
    const name = names[Math.floor(file * names.length)];
    if (name === undefined) return false;
    const path = `${directory}/${name}`;
    const used = usedBytes(this.disk.bytes(path));
    // The newest frame of a log cannot be told from one that a crash has torn, so it is spared.
    if (used < rotFromBytes) return false;
    const bits = Math.floor((used * 8) / 4);
    this.disk.flip(path, Math.floor(place * bits));
    return true;
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const { random, clock } = process;
    const { logger, network, checker, options } = this.#parts;
    const machine = this.#parts.machine();
    try {
      const disk = slowDisk(this.disk, clock, () => this.writeMs);
      const cipher = recordCipher([logKey], random);
      const parts = { directory, disk, random, logger, segmentBytes, cipher };
      const storage = await openLogStorage(parts);
      const node = await RaftNode.open({
        id: this.id,
        membership: this.#told,
        storage,
        machine,
        clock,
        random,
        logger,
        transport: network.transport(this.id, process),
        options,
        observer: (raft, ready) => checker.stepped(raft, ready),
      });
      if (!process.alive) return;
      this.#node = node;
      this.#machine = machine;
      this.#state = 'up';
      node.onRemoved(() => {
        if (process.alive) this.#state = 'removed';
      });
    } catch (error) {
      if (process.alive) this.#failed(process, error);
    }
  }

  #failed(process: SimulatedProcess, error: unknown): void {
    process.kill();
    this.#parts.network.left(this.id);
    this.disk.crash();
    if (error instanceof CorruptStorageError) this.#state = 'damaged';
    else if (error instanceof DiskError) {
      this.#state = 'down';
      this.#parts.clock.after(startAgainMs, () => this.start());
    } else throw error;
  }
}

function usedBytes(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}
