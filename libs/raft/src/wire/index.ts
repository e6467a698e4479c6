export type { MessageStream, StreamEvents } from './message-stream.ts';
export {
  type FollowStream,
  logProtocol,
  type ProposeStream,
  type ServedFollow,
  type ServedProposals,
} from './protocol.ts';
export { VoterClient } from './voter-client.ts';
