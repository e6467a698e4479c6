import { Counter, type Registry } from 'prom-client';

/** How an image came, or did not. */
export type FetchEnd =
  | 'fetched'
  /** It was here under another name. */
  | 'present'
  /** No other node has it. */
  | 'no-source'
  | 'failed'
  | 'cancelled';
/** How another host's request for an image ended. */
export type ServeEnd = 'served' | 'busy' | 'refused' | 'missing' | 'failed';

/** What is counted of images that hosts send each other. */
export interface ImageMetrics {
  fetched(end: FetchEnd): void;
  fetchedBytes(bytes: number): void;
  /** Another host sent something else than it had promised. */
  wrongImage(): void;
  served(end: ServeEnd): void;
  servedBytes(bytes: number): void;
}

/** The metrics on `registry`; call once a process. */
export function imageMetrics(registry: Registry): ImageMetrics {
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `shoal_agent_${name}_total`, help, labelNames, registers: [registry] });
  const fetches = counter('image_fetches', 'Images looked for on other hosts, by outcome.', [
    'outcome',
  ]);
  const fetchedBytes = counter('image_fetched_bytes', 'Bytes of images from other hosts.');
  const wrong = counter('image_wrong', 'Times that another host sent another image than promised.');
  const serves = counter('image_serves', 'Images that other hosts asked for, by outcome.', [
    'outcome',
  ]);
  const servedBytes = counter('image_served_bytes', 'Bytes of images to other hosts.');
  return {
    fetched: (outcome) => fetches.inc({ outcome }),
    fetchedBytes: (bytes) => fetchedBytes.inc(bytes),
    wrongImage: () => wrong.inc(),
    served: (outcome) => serves.inc({ outcome }),
    servedBytes: (bytes) => servedBytes.inc(bytes),
  };
}
