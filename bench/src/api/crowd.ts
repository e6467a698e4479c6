import { setTimeout as pause } from 'node:timers/promises';
import { service } from './load.ts';
import { ask } from './side.ts';

const lookMs = 50;
const crowdMsMax = 300_000;

interface TaskShape {
  readonly Status: { readonly State: string };
}

/** Seconds from one create until every task of the service is there and pending. */
export async function crowdSeconds(socket: string, name: string, count: number): Promise<number> {
  const begin = performance.now();
  await ask(socket, 'POST', '/services/create', service(name, count));
  const last = { service: [name], name: [`${name}.${count}.`] };
  for (;;) {
    // Cheap for both sides; the whole list, which is not, only when it may be complete.
    const [newest] = await tasksOf(socket, last);
    if (newest?.Status.State === 'pending') {
      const looked = performance.now();
      const tasks = await tasksOf(socket, { service: [name] });
      const pending = tasks.filter(({ Status }) => Status.State === 'pending');
      if (pending.length === count) return (looked - begin) / 1_000;
    }
    if (performance.now() - begin > crowdMsMax)
      throw new Error(`${count} tasks are not pending after ${crowdMsMax} ms`);
    await pause(lookMs);
  }
}

async function tasksOf(socket: string, filters: object): Promise<readonly TaskShape[]> {
  const query = encodeURIComponent(JSON.stringify(filters));
  return (await ask(socket, 'GET', `/tasks?filters=${query}`)) as readonly TaskShape[];
}
