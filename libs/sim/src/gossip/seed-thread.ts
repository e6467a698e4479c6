/** Entry of a thread that runs one seed of gossip after the other, as it is told. */
import { parentPort } from 'node:worker_threads';
import { invariant } from '@shoal/runtime';
import { simulateGossip } from './index.ts';

invariant(parentPort !== null, 'seeds are run on a thread of their own');
const port = parentPort;

port.on('message', (seed: number) => {
  void simulateGossip(seed).then((outcome) => port.postMessage({ seed, outcome }));
});
