import type { TLSSocket } from 'node:tls';
import { callOf } from '@shoal/pki';
import {
  type DeliverOpening,
  type FollowOpening,
  LogOpening,
  LogOpeningAnswer,
  type ProposeOpening,
} from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import { FramedSocket, nobody } from '../wire/framed-socket.ts';
import { FramedStream } from '../wire/message-stream.ts';
import {
  answering,
  type DeliverStream,
  delivering,
  openingBytesMax,
  type ServedFollow,
  type ServedProposals,
} from '../wire/protocol.ts';
import type { Admission, AnyCall } from './admission.ts';
import { feeding } from './entry-messages.ts';

/** A connection that has not said by then what it is for is closed, milliseconds. */
export const openingMsMax = 5_000;

export interface LogConnectionsOptions {
  /** Who may deliver raft's messages. */
  readonly admit: (call: AnyCall) => Admission;
  /** Who may propose and follow. */
  readonly admitPresent: (call: AnyCall) => Admission;
  readonly propose: (stream: ServedProposals, opening: ProposeOpening) => void;
  /** Returns why the stream is not taken, if so. Nothing may be written to it in this turn of the loop. */
  readonly follow: (stream: ServedFollow, opening: FollowOpening) => string | undefined;
  /** Returns why the stream is not taken, if so; nothing may be written to it in this loop turn. */
  readonly deliver: (
    stream: DeliverStream,
    opening: DeliverOpening,
    nodeId: string,
  ) => string | undefined;
  readonly clock: Clock;
}

/** The voter's side of the protocol `shoal-log`: who is it, what is the connection for. */
export class LogConnections {
  readonly #options: LogConnectionsOptions;

  constructor(options: LogConnectionsOptions) {
    this.#options = options;
  }

  /** A connection after its handshake; nothing has been read of it. */
  accept(socket: TLSSocket): void {
    const { clock } = this.#options;
    const framed = new FramedSocket(socket, 'server', clock, openingBytesMax);
    const late: Timer = clock.after(openingMsMax, () => framed.destroy());
    framed.user = {
      message: (bytes) => {
        late.cancel();
        this.#opened(socket, framed, bytes);
      },
      drained: () => undefined,
      closed: () => late.cancel(),
    };
  }

  #opened(socket: TLSSocket, framed: FramedSocket, bytes: Buffer): void {
    const refused = this.#take(socket, framed, bytes);
    if (refused === undefined) {
      framed.write(answerOf({ $case: 'accepted', value: {} }));
      return;
    }
    framed.user = nobody;
    framed.write(answerOf({ $case: 'refused', value: refused }));
    framed.end();
  }

  /** Hands the connection over; why not, if not. */
  #take(socket: TLSSocket, framed: FramedSocket, bytes: Buffer): string | undefined {
    const { admit, admitPresent, propose, follow, deliver } = this.#options;
    const body = bodyOf(bytes);
    const isPeer = body?.$case === 'deliver';
    const admission = (isPeer ? admit : admitPresent)(callOf(socket));
    if (admission.kind === 'refused') return admission.error.message;
    if (body === undefined) return 'not an opening that this voter knows';
    framed.takeAll();
    switch (body.$case) {
      case 'deliver':
        return deliver(
          new FramedStream(framed, 'server', delivering),
          body.value,
          admission.nodeId,
        );
      case 'follow':
        return follow(new FramedStream(framed, 'server', feeding), body.value);
      case 'propose':
        propose(new FramedStream(framed, 'server', answering), body.value);
        return undefined;
    }
  }
}

function answerOf(body: NonNullable<LogOpeningAnswer['body']>): Uint8Array {
  return LogOpeningAnswer.encode({ body }).finish();
}

function bodyOf(bytes: Buffer): LogOpening['body'] {
  try {
    return LogOpening.decode(bytes).body;
  } catch {
    return undefined;
  }
}
