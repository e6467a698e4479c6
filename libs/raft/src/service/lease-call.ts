import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { HoldLeaseRequest, HoldLeaseResponse } from '@shoal/proto';
import type { LogIndex } from '@shoal/runtime';
import { type LeaseClaim, type LeaseKeeper, type LeaseSession, leaseTtlMs } from './leases.ts';

/** Longest id, stage, node id and address of a claim, in characters. */
const claimTextMax = 255;

type Call = ServerDuplexStream<HoldLeaseRequest, HoldLeaseResponse>;

/**
 * Serves one holder of a lease. `nodeId` is the caller's own, as its certificate proves it; absent when
 * another voter, which has checked it, passes the call on.
 */
export function serveLease(call: Call, keeper: LeaseKeeper, nodeId: string | undefined): void {
  const holder = new Holder(call, keeper, nodeId);
  call.on('data', (request: HoldLeaseRequest) => holder.receive(request));
  call.on('error', () => holder.closed());
  call.on('cancelled', () => holder.closed());
  call.on('end', () => {
    holder.closed();
    call.end();
  });
}

class Holder implements LeaseSession {
  readonly #call: Call;
  readonly #keeper: LeaseKeeper;
  readonly #nodeId: string | undefined;
  #claim: LeaseClaim | undefined;
  #epoch: LogIndex | undefined;
  #open = true;
  #released = false;

  constructor(call: Call, keeper: LeaseKeeper, nodeId: string | undefined) {
    this.#call = call;
    this.#keeper = keeper;
    this.#nodeId = nodeId;
  }

  receive({ body }: HoldLeaseRequest): void {
    if (!this.#open) return;
    switch (body?.$case) {
      case 'claim':
        this.#claimed(body.value);
        break;
      case 'renewal':
        this.#renewed();
        break;
      case 'release':
        this.#release();
        break;
      case undefined:
        this.#fail(status.INVALID_ARGUMENT, 'a request without a body');
    }
  }

  lost(reason: string): void {
    this.#fail(status.ABORTED, reason);
  }

  closed(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#claim !== undefined) this.#keeper.detached(this.#claim.id, this);
  }

  #claimed(claim: LeaseClaim): void {
    const again = this.#claim === undefined ? undefined : 'a stream holds one lease';
    const wrong = again ?? problemOf(claim, this.#nodeId);
    if (wrong !== undefined) {
      this.#fail(status.INVALID_ARGUMENT, wrong);
      return;
    }
    const { id, stage, nodeId, address } = claim;
    this.#claim = { id, stage, nodeId, address };
    void this.#keeper.claim(this.#claim, this).then((result) => {
      if (result.kind === 'granted') this.#granted(id, result.epoch);
      else if (result.kind === 'refused') this.#fail(status.FAILED_PRECONDITION, result.message);
      else this.#fail(status.UNAVAILABLE, result.message);
    });
  }

  #granted(id: string, epoch: LogIndex): void {
    this.#epoch = epoch;
    if (this.#open) this.#say(epoch);
    // Otherwise the holder left while its claim was under way: nobody will renew it.
    else if (this.#released) void this.#keeper.release(id, epoch);
    else this.#keeper.detached(id, this);
  }

  #renewed(): void {
    if (this.#claim === undefined || this.#epoch === undefined)
      this.#fail(status.FAILED_PRECONDITION, 'renewed before it was granted');
    else if (this.#keeper.renew(this.#claim.id, this.#epoch)) this.#say(this.#epoch);
    else this.#fail(status.ABORTED, 'the lease is not held any more');
  }

  #release(): void {
    this.#released = true;
    if (this.#claim !== undefined && this.#epoch !== undefined)
      void this.#keeper.release(this.#claim.id, this.#epoch);
    this.#open = false;
    this.#call.end();
  }

  #say(epoch: LogIndex): void {
    this.#call.write({ epoch, ttlMs: leaseTtlMs });
  }

  #fail(code: status, details: string): void {
    if (!this.#open) return;
    this.closed();
    this.#call.emit('error', { code, details });
  }
}

/** Why the claim is not one of this node; any node's when `nodeId` is absent. */
export function problemOf(claim: LeaseClaim, nodeId: string | undefined): string | undefined {
  const texts = [claim.id, claim.stage, claim.nodeId, claim.address];
  if (texts.some((text) => text.length > claimTextMax)) return 'a text of the claim is too long';
  if (claim.id === '' || claim.stage === '') return 'a lease needs an id and a stage';
  if (!claim.id.startsWith(`${claim.stage}@${claim.nodeId}/`))
    return 'the id of a lease is <stage>@<node id>/<instance>';
  return nodeId === undefined || claim.nodeId === nodeId
    ? undefined
    : 'a lease is claimed for the own node only';
}
