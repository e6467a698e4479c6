/** Entry of a thread that runs one seed of the control plane after the other, as it is told. */
import { parentPort } from 'node:worker_threads';
import { invariant } from '@shoal/runtime';
import { simulateControlPlane } from '@shoal/sim';
import { parts } from './control-plane.ts';

invariant(parentPort !== null, 'seeds are run on a thread of their own');
const port = parentPort;

port.on('message', (seed: number) => {
  void simulateControlPlane(seed, parts).then((outcome) => port.postMessage({ seed, outcome }));
});
