import { type ClientDuplexStream, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { HoldLeaseRequest, HoldLeaseResponse } from '@shoal/proto';
import type { Member } from '../types.ts';
import { forwardedMetadata, type LeaderRoute } from './leader-route.ts';
import { problemOf } from './lease-call.ts';

type Call = ServerDuplexStream<HoldLeaseRequest, HoldLeaseResponse>;

/**
 * Serves a holder whose lease another voter keeps: its stream goes on to the leader. It ends when
 * the leader changes; the holder then claims the same lease again. `nodeId` is the caller's own, as its
 * certificate proves it.
 */
export function forwardLease(call: Call, leader: Member, nodeId: string, route: LeaderRoute): void {
  const upstream: ClientDuplexStream<HoldLeaseRequest, HoldLeaseResponse> = route
    .clientsOf(leader)
    .log.holdLease(forwardedMetadata());
  let open = true;
  const close = (): boolean => {
    const was = open;
    open = false;
    stopListening();
    return was;
  };
  const fail = (code: status, details: string): void => {
    if (!close()) return;
    upstream.cancel();
    call.emit('error', { code, details });
  };
  const stopListening = route.onChange(() => {
    const { current } = route;
    const same = current.kind === 'peer' && current.member.id === leader.id;
    if (!same) fail(status.UNAVAILABLE, 'the leader of the log changed');
  });
  upstream.on('data', (response: HoldLeaseResponse) => {
    if (open) call.write(response);
  });
  upstream.on('error', (error: { code?: status; details?: string }) =>
    fail(error.code ?? status.UNAVAILABLE, error.details ?? 'the leader is gone'),
  );
  upstream.on('end', () => {
    if (close()) call.end();
  });
  call.on('data', (request: HoldLeaseRequest) => {
    if (!open) return;
    const { body } = request;
    // The leader takes this voter's word for whose lease it is.
    const wrong = body?.$case === 'claim' ? problemOf(body.value, nodeId) : undefined;
    if (wrong !== undefined) fail(status.INVALID_ARGUMENT, wrong);
    // One that writes faster than the leader takes it is not read from.
    else if (!upstream.write(request)) call.pause();
  });
  upstream.on('drain', () => call.resume());
  call.on('end', () => upstream.end());
  for (const event of ['cancelled', 'error', 'close'] as const)
    call.on(event, () => {
      if (close()) upstream.cancel();
    });
}
