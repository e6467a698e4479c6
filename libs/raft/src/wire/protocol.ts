import { encoded, FollowResponse, ProposeRequest, ProposeResponse } from '@shoal/proto';
import type { Codec, MessageStream } from './message-stream.ts';

/** Name and version of the protocol, as the TLS handshake has it; see `log.proto`. */
export const logProtocol = 'shoal-log/1';
/** Largest opening, and answer to one. */
export const openingBytesMax = 4 * 1024;

/** The client's end of a stream of proposals and read-index questions. */
export type ProposeStream = MessageStream<ProposeRequest, ProposeResponse>;
/** The voter's end of a stream of proposals and read-index questions. */
export type ServedProposals = MessageStream<ProposeResponse, ProposeRequest>;
/** The client's end of the log as it grows: it only listens. */
export type FollowStream = MessageStream<never, FollowResponse>;
/** The voter's end of the log as it grows: it only sends. */
export type ServedFollow = MessageStream<FollowResponse, never>;
/** Raft's messages to one peer, encoded; nothing comes back. */
export type DeliverStream = MessageStream<Uint8Array, Buffer>;

export const proposing: Codec<ProposeRequest, ProposeResponse> = {
  encode: (request) => encoded(ProposeRequest, request),
  decode: (bytes) => ProposeResponse.decode(bytes),
};

export const answering: Codec<ProposeResponse, ProposeRequest> = {
  encode: (response) => encoded(ProposeResponse, response),
  decode: (bytes) => ProposeRequest.decode(bytes),
};

export const following: Codec<never, FollowResponse> = {
  encode: (nothing) => nothing,
  decode: (bytes) => FollowResponse.decode(bytes),
};

/** A peer's message that this version does not know is no reason to end the stream. */
export const delivering: Codec<Uint8Array, Buffer> = {
  encode: (message) => message,
  decode: (bytes) => bytes,
};
