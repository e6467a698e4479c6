export { boundUnanswered, whenEnded } from './client-end.ts';
export {
  Engine,
  type EngineAddress,
  type EngineAnswer,
  EngineAwayError,
  parseEngineAddress,
} from './engine.ts';
export { type Mend, type PassedAnswer, type Passing, passRequest } from './pass.ts';
export { passUpgrade } from './tunnel.ts';
export type { PassedRequest, Upstream, UpstreamFailure } from './upstream.ts';
