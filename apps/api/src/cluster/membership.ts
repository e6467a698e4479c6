import { rm } from 'node:fs/promises';
import { ApiError, apiErrors, type SwarmInit, type SwarmJoin } from '@shoal/docker-api';
import {
  forgetUnlockKeys,
  type Identity,
  type IdentityState,
  identityDirectory,
  isUnlockKey,
  loadIdentity,
  removeIdentity,
  unlock,
  watchIdentity,
} from '@shoal/pki';
import type { Voter, VoterExit } from '@shoal/raft/service';
import { errorMessage, pause, type Timer, within } from '@shoal/runtime';
import { Arrivals, type Arriving } from './arrivals.ts';
import { askAdmission, ownMember } from './ask-managers.ts';
import { answerCertificates } from './authority/certificate-service.ts';
import { foundSwarm, untilNodeReady } from './founding.ts';
import { HostedManager, type HostedManagerOptions, type VoterStart } from './hosted-manager.ts';
import { joinSwarm, undoJoin } from './joining.ts';
import { startKeepers } from './keepers/keepers.ts';
import { askRelease, checkLeave } from './leaving.ts';
import type { MembershipOptions } from './options.ts';
import { recoverSwarm } from './recovery.ts';
import { askRole } from './role-request.ts';
import type { Standing, SwarmHost } from './standing.ts';
import { retryMsFirst, VoterRetries } from './voter-retries.ts';
import { becomeWorker, prepareManager } from './voter-start.ts';

/** Longest wait of `swarm join` and `swarm unlock`, milliseconds; the host goes on by itself. */
const arrivalMsMax = 20_000;
/** After a recovery that failed the voter of before is started again, and what could not be done is tried again; milliseconds. */
const voterRetryMs = 1_000;
/** How often a manager that is not taken in yet asks again, milliseconds. */
const admissionRetryMs = 1_000;
/** Longest wait of a new manager for the state before it counts as arrived, milliseconds. */
const stateMsMax = 5_000;
/** How often a host that votes no more asks what it is now, milliseconds. */
const roleRequestMs = 5_000;
/** Times that the folder of a membership is emptied while others still write there, and the pause, longer each time, milliseconds. */
const wipeTries = 5;
const wipeRetryMs = 50;

/** A manager while it is one. */
interface Run {
  readonly hosted: HostedManager;
  /** Resolves when the other managers go on without this one. */
  readonly removed: Promise<void>;
  readonly stopKeepers: () => Promise<void>;
}

/** Makes, keeps and ends this host's membership, with the voter that a manager hosts. */
export class Membership implements SwarmHost {
  readonly #options: MembershipOptions;
  readonly #hosting: HostedManagerOptions;
  readonly #arrivals = new Arrivals();
  readonly #retries = new VoterRetries();
  #standing: Standing = { kind: 'inactive' };
  #run: Run | undefined;
  /** The voter that the others have removed: it is not started again. */
  #removedVoter = 0;
  #unwatch: (() => void) | undefined;
  #timer: Timer | undefined;
  /** Changes of membership run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #takingUp: Promise<void> | undefined;
  #stopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#hosting = { ...options, authority: answerCertificates(options) };
  }

  get takingUp(): Promise<void> | undefined {
    return this.#takingUp;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** The voter's thread, for health and metrics; absent on hosts that are no manager. */
  get voter(): Voter | undefined {
    return this.#run?.hosted.voter;
  }

  /** Takes up what was on disk: a whole identity, or nothing at all. */
  start(): Promise<void> {
    return this.#whileTakingUp(() => this.#exclusive(() => this.#start()));
  }

  async #start(): Promise<void> {
    const { dataDir, clock } = this.#options;
    const state = await loadIdentity(dataDir);
    if (state.kind === 'none')
      await rm(identityDirectory(dataDir), { recursive: true, force: true });
    else await this.#become(state).catch((error: unknown) => this.#failed(error));
    // What is told may be old by the time of its turn, so the turn looks again.
    this.#unwatch = watchIdentity(dataDir, clock, () => this.#lookAgain());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#unwatch?.();
    await this.#turn;
    await this.#end();
    // A host that was stopped starts locked, where autolock is on.
    await forgetUnlockKeys(this.#options.dataDir);
  }

  init(request: SwarmInit): Promise<string> {
    return this.#exclusive(() => this.#init(request));
  }

  async join(request: SwarmJoin): Promise<void> {
    const { arrival } = await this.#exclusive(() => this.#join(request));
    const outcome = await within(this.#options.clock, arrivalMsMax, arrival);
    if (outcome === undefined) throw apiErrors.joinTimeout();
    if (outcome.kind === 'arrived') return;
    await this.#exclusive(() => this.#giveUp());
    // Taken in after all, before it could give up.
    if (this.#standing.kind === 'manager') return;
    throw new ApiError(500, outcome.message);
  }

  /** Who has left may be sent to another swarm, or be shut down: nothing of this one is here any more. */
  async leave(force: boolean): Promise<void> {
    await this.#exclusive(() => this.#leave(force));
    await this.#options.agent('has nothing of a swarm left');
  }

  async unlock(key: string): Promise<void> {
    const { arrival } = await this.#exclusive(() => this.#unlock(key));
    if ((await within(this.#options.clock, arrivalMsMax, arrival)) === undefined)
      throw apiErrors.joinTimeout();
  }

  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(change);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #lookAgain(): void {
    this.#attend(
      this.#exclusive(async () => this.#become(await loadIdentity(this.#options.dataDir))),
    );
  }

  /** Work that nobody waits for. */
  #attend(work: Promise<void>): void {
    work.catch((error: unknown) => this.#failed(error));
  }

  /** A disk that is full or refuses: what is on it is looked at again, and the process goes on for all else. */
  #failed(error: unknown): void {
    if (this.#stopped) return;
    const message = errorMessage(error);
    this.#options.logger.error({ reason: message }, 'membership_failed');
    if (this.#run === undefined) this.#stand({ kind: 'error', message });
    this.#lookAgainAfter(voterRetryMs, () => true);
  }

  #lookAgainAfter(ms: number, stillWanted: () => boolean): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(ms, () => {
      if (!this.#stopped && stillWanted()) this.#lookAgain();
    });
  }

  async #whileTakingUp(change: () => Promise<void>): Promise<void> {
    const under = change();
    this.#takingUp = under.catch(() => undefined);
    try {
      await under;
    } finally {
      this.#takingUp = undefined;
    }
  }

  #stand(standing: Standing): void {
    this.#standing = standing;
    if (standing.kind === 'manager' || standing.kind === 'worker') this.#arrivals.arrived();
  }

  async #become(state: IdentityState): Promise<void> {
    if (this.#stopped) return;
    switch (state.kind) {
      case 'complete':
        return this.#follow(state.identity);
      case 'locked':
        // A manager that runs has its keys in memory and goes on.
        if (this.#run === undefined) this.#stand({ kind: 'locked' });
        return;
      case 'broken':
        this.#options.logger.error({ reason: state.reason }, 'identity_broken');
        if (this.#run === undefined) this.#stand({ kind: 'error', message: state.reason });
        return;
      case 'none':
        await this.#end();
        this.#stand({ kind: 'inactive' });
    }
  }

  async #follow(identity: Identity): Promise<void> {
    const hosted = this.#run?.hosted;
    if (hosted?.continuesAs(identity) === true) return hosted.renew(identity);
    if (identity.role === 'worker') {
      await this.#end();
      this.#removedVoter = 0;
      this.#stand({ kind: 'worker', identity: await becomeWorker(identity, this.#options) });
    } else if (identity.voterId === 0 || identity.voterId !== this.#removedVoter) {
      await this.#resume(identity);
    }
  }

  /** Starts the voter of an identity from disk; when it cannot, says so and tries again. */
  async #resume(identity: Identity): Promise<void> {
    const { clock, logger } = this.#options;
    await this.#end();
    if (this.#standing.kind !== 'error')
      this.#stand({ kind: 'pending', identity, message: 'the log is being read' });
    try {
      const prepared = await prepareManager(identity, this.#options);
      await this.#host(await HostedManager.open(this.#hosting, prepared.identity, prepared.start));
      logger.info({ node: identity.nodeId, cluster: identity.clusterId }, 'swarm_resumed');
    } catch (error) {
      const pauseMs = Math.max(retryMsFirst, this.#retries.failed(clock.monotonic()));
      logger.error({ error, node: identity.nodeId, pauseMs }, 'voter_start_failed');
      await this.#standFailed(identity, errorMessage(error), pauseMs);
    }
  }

  /** Says why there is no voter, and tries again later. */
  async #standFailed(identity: Identity, message: string, pauseMs: number): Promise<void> {
    await this.#end();
    this.#stand({ kind: 'error', message, identity });
    this.#lookAgainAfter(pauseMs, () => this.#standing.kind === 'error');
  }

  async #host(hosted: HostedManager): Promise<void> {
    const removed = new Promise<void>((resolve) => void hosted.voter.onRemoved(resolve));
    const run: Run = { hosted, removed, stopKeepers: startKeepers(hosted, this.#options) };
    this.#run = run;
    this.#options.onReplica(hosted.replica);
    hosted.voter.onExit((exit) => this.#exited(run, exit));
    this.#attend(removed.then(() => this.#exclusive(() => this.#removed(run))));
    const { learner } = await hosted.voter.status();
    if (learner) this.#attend(this.#enter(run));
    else this.#stand({ kind: 'manager', manager: hosted });
  }

  /** Asks the managers until this one counts. */
  async #enter(run: Run): Promise<void> {
    const { clock, logger } = this.#options;
    const { hosted } = run;
    let message = 'the other managers take this one in';
    while (this.#run === run && !this.#stopped) {
      this.#stand({ kind: 'pending', identity: hosted.identity, message });
      const admission = await askAdmission(hosted.identity, ownMember(hosted.identity), clock);
      if (this.#run !== run) return;
      if (admission.kind === 'member') {
        // Whoever waits for this one to arrive wants to use it.
        await within(clock, stateMsMax, hosted.replica.catchUp());
        if (this.#run === run) this.#stand({ kind: 'manager', manager: hosted });
        return;
      }
      message = admission.message;
      logger.warn({ kind: admission.kind, reason: message }, 'manager_not_taken_in');
      if (admission.kind === 'refused') this.#arrivals.refused(message);
      await pause(clock, admissionRetryMs);
    }
  }

  #exited(run: Run, exit: VoterExit): void {
    if (exit.kind !== 'failed' || this.#run !== run) return;
    const { clock, logger } = this.#options;
    const pauseMs = this.#retries.failed(clock.monotonic());
    logger.error({ reason: exit.message, pauseMs }, 'voter_failed');
    this.#attend(
      this.#whileTakingUp(() =>
        this.#exclusive(async () => {
          if (this.#run !== run || this.#stopped) return;
          const { identity } = run.hosted;
          if (pauseMs === 0) await this.#resume(identity);
          else await this.#standFailed(identity, exit.message, pauseMs);
        }),
      ),
    );
  }

  /** The other managers go on without this one: it stands by until its certificate says what it is. */
  async #removed(run: Run): Promise<void> {
    if (this.#run !== run || this.#stopped) return;
    const { identity } = run.hosted;
    this.#removedVoter = identity.voterId;
    await this.#end();
    const message = 'this node is a manager no more and waits for its certificate as a worker';
    this.#options.logger.info({ node: identity.nodeId }, 'voter_removed');
    this.#stand({ kind: 'pending', identity, message });
    this.#attend(this.#askRole(identity));
  }

  /** Usually the agent brings the certificate; where it cannot, or the role is the old one again, this does. */
  async #askRole(identity: Identity): Promise<void> {
    const waits = (): boolean =>
      !this.#stopped && this.#standing.kind === 'pending' && this.#run === undefined;
    for (;;) {
      await pause(this.#options.clock, roleRequestMs);
      if (!waits()) return;
      const answer = await askRole(identity, this.#options).catch(
        (error: unknown) => ({ kind: 'not-written', message: errorMessage(error) }) as const,
      );
      if (!waits()) return;
      // A disk that is full, or somebody else who writes: it is asked for again.
      if (answer.kind === 'not-written')
        this.#options.logger.warn({ reason: answer.message }, 'role_not_written');
      if (answer.kind === 'written') return this.#lookAgain();
      if (answer.kind === 'refused')
        return this.#stand({ kind: 'error', message: answer.message, identity });
    }
  }

  async #init(request: SwarmInit): Promise<string> {
    if (request.forceNewCluster && this.#standing.kind !== 'inactive')
      return this.#recover(request);
    if (this.#standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    const { clock, agentMsMax } = this.#options;
    const hosted = await foundSwarm(request, this.#hosting, this.#options);
    await this.#host(hosted);
    // With the host's agent there, the node is shown ready from the first command on.
    await untilNodeReady(hosted, clock, agentMsMax);
    return hosted.identity.nodeId;
  }

  async #recover(request: SwarmInit): Promise<string> {
    const identity = await this.#managerOnDisk();
    await this.#end();
    this.#removedVoter = 0;
    const open = (made: Identity, start: VoterStart) =>
      HostedManager.open(this.#hosting, made, start);
    try {
      await this.#host(await recoverSwarm(request, identity, open, this.#options));
    } catch (error) {
      this.#lookAgainAfter(voterRetryMs, () => this.#run === undefined);
      throw error;
    }
    return identity.nodeId;
  }

  /** @throws ApiError when this host is no manager that could go on alone. */
  async #managerOnDisk(): Promise<Identity> {
    if (this.#run !== undefined) return this.#run.hosted.identity;
    const state = await loadIdentity(this.#options.dataDir);
    if (state.kind === 'locked') throw apiErrors.locked();
    if (state.kind === 'broken') throw new ApiError(500, state.reason);
    if (state.kind === 'none' || state.identity.role === 'worker') throw apiErrors.worker();
    return state.identity;
  }

  async #join(request: SwarmJoin): Promise<Arriving> {
    if (this.#standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    const identity = await joinSwarm(request, this.#options);
    const next = this.#arrivals.next();
    await this.#follow(identity);
    if (identity.role === 'manager') return next;
    return { arrival: this.#options.agent('has its session').then(() => next.arrival) };
  }

  /** A manager that the others will not take in: the join has failed, and nothing of it stays. */
  async #giveUp(): Promise<void> {
    const run = this.#run;
    if (run === undefined || this.#standing.kind !== 'pending') return;
    const { identity } = run.hosted;
    await this.#wipe();
    await undoJoin(identity, this.#options);
  }

  async #unlock(key: string): Promise<Arriving> {
    if (this.#standing.kind === 'inactive') throw apiErrors.notInSwarm();
    if (this.#standing.kind !== 'locked') throw apiErrors.notLocked();
    if (!isUnlockKey(key)) throw apiErrors.badUnlockKey();
    const { dataDir } = this.#options;
    const outcome = await unlock(dataDir, key);
    if (outcome === 'wrong-key') throw apiErrors.wrongUnlockKey();
    const next = this.#arrivals.next();
    this.#retries.forget();
    await this.#become(await loadIdentity(dataDir));
    return next;
  }

  async #leave(force: boolean): Promise<void> {
    const { standing } = this;
    const run = this.#run;
    await checkLeave(standing, force);
    if (run !== undefined && standing.kind === 'manager')
      await askRelease(run.hosted, run.removed, this.#options);
    await this.#wipe();
    this.#options.logger.info({}, 'swarm_left');
  }

  async #wipe(): Promise<void> {
    const { dataDir } = this.#options;
    // From here on every other process of the host stands down.
    await removeIdentity(dataDir);
    await this.#end();
    // Another process of the host may be writing its last, such as a certificate that has just come.
    const retried = { maxRetries: wipeTries, retryDelay: wipeRetryMs };
    await rm(identityDirectory(dataDir), { recursive: true, force: true, ...retried });
    this.#removedVoter = 0;
    this.#retries.forget();
    this.#stand({ kind: 'inactive' });
  }

  async #end(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const kept = run.stopKeepers();
    await run.hosted.stop();
    await kept;
  }
}
