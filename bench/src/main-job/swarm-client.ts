import { request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** The calls of a service's life, and their polling, for whichever manager has the socket. */
export class SwarmClient {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async create(name: string, replicas: number): Promise<string> {
    const answer = await this.#call('POST', '/services/create', {
      Name: name,
      TaskTemplate: {
        ContainerSpec: {
          Image: 'busybox:latest',
          Args: ['sleep', '100000'],
          StopGracePeriod: 1_000_000,
        },
      },
      Mode: { Replicated: { Replicas: replicas } },
    });
    return (answer as { ID: string }).ID;
  }

  async scale(id: string, replicas: number): Promise<void> {
    const service = (await this.#call('GET', `/services/${id}`)) as {
      Version: { Index: number };
      Spec: Record<string, unknown>;
    };
    await this.#call('POST', `/services/${id}/update?version=${service.Version.Index}`, {
      ...service.Spec,
      Mode: { Replicated: { Replicas: replicas } },
    });
  }

  /** Milliseconds from `since` until `count` tasks of the service run. */
  async untilRunning(id: string, count: number, since: number): Promise<number> {
    const everyMs = count === 1 ? pollMs : crowdPollMs;
    const filters = encodeURIComponent(JSON.stringify({ service: { [id]: true } }));
    for (;;) {
      const tasks = (await this.#call('GET', `/tasks?filters=${filters}`)) as {
        Status: { State: string };
      }[];
      const elapsed = performance.now() - since;
      if (tasks.filter((task) => task.Status.State === 'running').length >= count) return elapsed;
      if (elapsed > deadlineMs)
        throw new Error(`${count} tasks not running after ${deadlineMs} ms`);
      await pause(everyMs);
    }
  }

  /** Removes the service and waits until its tasks and their containers are gone. */
  async remove(id: string): Promise<void> {
    await this.#call('DELETE', `/services/${id}`);
    const filters = encodeURIComponent(
      JSON.stringify({ label: { [`com.docker.swarm.service.id=${id}`]: true } }),
    );
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      const left = (await this.#call(
        'GET',
        `/containers/json?all=1&filters=${filters}`,
      )) as unknown[];
      if (left.length === 0) return;
      await pause(pollMs);
    }
    throw new Error(`containers of ${id} still there after ${deadlineMs} ms`);
  }

  #call(method: string, path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { 'content-type': 'application/json' };
      const call = request(
        { socketPath: this.#socket, method, path: `/v1.41${path}`, headers },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const answer = Buffer.concat(chunks).toString();
            if ((response.statusCode ?? 0) >= 300) {
              reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
            } else resolve(answer === '' ? undefined : JSON.parse(answer));
          });
        },
      );
      call.on('error', reject);
      call.end(text);
    });
  }
}

const pollMs = 10;
/** Looking at fifty tasks costs both sides more; a twentieth of a second is fine enough for seconds. */
const crowdPollMs = 50;
const deadlineMs = 120_000;
