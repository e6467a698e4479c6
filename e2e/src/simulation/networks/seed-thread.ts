/** Entry of a thread that runs one seed of the networks after the other, as it is told. */
import { parentPort } from 'node:worker_threads';
import { invariant } from '@shoal/runtime';
import { simulateNetworks } from './index.ts';

invariant(parentPort !== null, 'seeds are run on a thread of their own');
const port = parentPort;

port.on('message', (seed: number) => {
  void simulateNetworks(seed).then((outcome) => port.postMessage({ seed, outcome }));
});
