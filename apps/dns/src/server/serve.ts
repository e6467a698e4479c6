import type { Answer, Origin } from './resolver.ts';

/** Answers one packet; never throws and never rejects. */
export type Serve = (packet: Buffer, origin: Origin) => Answer;
