// A thread that asks the same of a socket again and again until it is told to stop; then it tells how long
// each answer took, milliseconds.
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

export interface ProbeData {
  readonly socketPath: string;
  readonly path: string;
}

const data = workerData as ProbeData;
const agent = new Agent({ keepAlive: true });
const times: number[] = [];
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ ...data, agent }, (response) => {
      response.on('error', reject).on('end', resolve).resume();
    });
    call.on('error', reject);
    call.end();
  });
}

while (!stopped) {
  const begun = performance.now();
  await ask();
  times.push(performance.now() - begun);
}
agent.destroy();
parentPort?.postMessage(times);
