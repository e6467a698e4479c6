import { connect } from 'node:tls';
import { type CertificateSource, roleUnit } from '@shoal/pki';
import { LogOpening, LogOpeningAnswer } from '@shoal/proto';
import { type Clock, parseHostPort } from '@shoal/runtime';
import { FramedSocket } from './framed-socket.ts';
import { type Codec, FramedStream } from './message-stream.ts';
import { logProtocol, openingBytesMax } from './protocol.ts';

/** A voter that has not accepted a stream by then is given up, milliseconds, unless told otherwise. */
const openMsDefault = 16_000;

export interface DialOptions<Out, In> {
  /** `host:port` */
  readonly addr: string;
  /** What proves this node, and whom it trusts. */
  readonly source: CertificateSource;
  readonly opening: NonNullable<LogOpening['body']>;
  readonly codec: Codec<Out, In>;
  readonly clock: Clock;
  readonly openMsMax?: number;
}

/**
 * Opens a stream to the voter at `addr`, which must prove to be a manager of the cluster. What is written
 * before it is accepted leaves as soon as the voter has proved itself.
 */
export function dial<Out, In>(options: DialOptions<Out, In>): FramedStream<Out, In> {
  const { addr, source, opening, codec, clock, openMsMax = openMsDefault } = options;
  const at = parseHostPort(addr);
  const { caCertificate: ca, certificate: cert, key } = source.current();
  const socket = connect({
    host: at?.host ?? addr,
    port: at?.port ?? 0,
    // Addresses are not in certificates: the voter proves its role instead.
    servername: roleUnit('manager'),
    ALPNProtocols: [logProtocol],
    ca,
    cert,
    key,
  });
  const framed = new FramedSocket(socket, 'client', clock, openingBytesMax);
  const late = clock.after(openMsMax, () => framed.destroy('no answer from the voter'));
  framed.write(LogOpening.encode({ body: opening }).finish());
  const stream = new FramedStream(framed, 'client', codec);
  const { user } = framed;
  framed.user = {
    ...user,
    message: (bytes) => {
      late.cancel();
      const refused = refusalOf(bytes);
      if (refused !== undefined) {
        framed.destroy(refused);
        return;
      }
      framed.user = user;
      framed.takeAll();
      stream.emit('open');
    },
    closed: (reason) => {
      late.cancel();
      user.closed(reason);
    },
  };
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol === logProtocol) framed.secured();
    else framed.destroy(`${addr} does not speak ${logProtocol}`);
  });
  return stream;
}

function refusalOf(bytes: Buffer): string | undefined {
  try {
    const { body } = LogOpeningAnswer.decode(bytes);
    if (body?.$case === 'accepted') return undefined;
    if (body?.$case === 'refused') return body.value;
  } catch {
    // As below.
  }
  return 'the voter does not answer in the protocol of the log';
}
