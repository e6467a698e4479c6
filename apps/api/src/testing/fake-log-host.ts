// A process with the API of a manager, on a socket, whose service `web` never stops to write. For tests that
// must not share a process with what they measure. Tells its parent the socket, then what it is asked.
import { newId, systemClock, systemRandom } from '@shoal/runtime';
import { newMeta, type Task } from '@shoal/state';
import { FakeSite } from './fake-host.ts';
import { FakeNodeLogs } from './fake-node-logs.ts';

export type HostAnswer =
  | { readonly kind: 'up'; readonly socket: string }
  /** Memory in use, and the
   * longest stretch of work since the last question but for one in a hundred, in the processor's time.
   */
  | { readonly kind: 'load'; readonly bytes: number; readonly stretchMs: number }
  | { readonly kind: 'written'; readonly lines: number };

/** What the parent asks: how it is doing, or so many lines written from now on and then no more. */
export type HostAsk =
  | { readonly kind: 'load' }
  | { readonly kind: 'write'; readonly lines: number; readonly perSecond: number };

const stepMs = 20;
const text = 'x'.repeat(80);

class LogHost {
  readonly #site = new FakeSite();
  readonly #nodes = new FakeNodeLogs(systemClock, systemRandom);
  readonly #taskId = newId(systemRandom);
  /** Processor's time between two looks, milliseconds: so long nobody else had a turn. */
  readonly #stretches: number[] = [];
  #nodeId = '';
  #written = 0;

  async start(): Promise<void> {
    const site = this.#site;
    await site.start(this.#nodes);
    await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
    const spec = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } } };
    const created = await site.ask('POST', '/services/create', spec);
    const serviceId = (created.json as { readonly ID: string }).ID;
    const { log } = site.host;
    const [node] = log.view.nodes.values();
    if (node === undefined) throw new Error('no node');
    this.#nodeId = node.id;
    const lease = {
      id: 'd',
      meta: newMeta,
      stage: 'dispatcher',
      nodeId: node.id,
      address: 'd:1',
    };
    const status = { ...node.status, state: 'ready', dispatcher: 'd' } as const;
    log.write(
      [
        { op: 'create', table: 'lease', object: lease as never },
        { op: 'update', table: 'node', object: { ...node, status } },
      ],
      'system',
    );
    const task: Task = {
      id: this.#taskId,
      meta: newMeta,
      serviceId,
      slot: 1,
      nodeId: node.id,
      revision: 1,
      desired: 'running',
      status: { state: 'running', at: systemClock.now(), message: 'started', err: '' },
    };
    log.write([{ op: 'create', table: 'task', object: task }]);
    this.#watch(process.threadCpuUsage());
    this.#tell({ kind: 'up', socket: site.socket });
  }

  asked(ask: HostAsk): void {
    if (ask.kind === 'load') {
      const stretches = this.#stretches.splice(0).sort((a, b) => a - b);
      const stretchMs = stretches[Math.floor(stretches.length * 0.99)] ?? 0;
      globalThis.gc?.();
      this.#tell({ kind: 'load', bytes: process.memoryUsage().rss, stretchMs });
      return;
    }
    const begun = systemClock.monotonic();
    const from = this.#written;
    const step = (): void => {
      const due = from + Math.floor(((systemClock.monotonic() - begun) / 1_000) * ask.perSecond);
      const until = Math.min(due, from + ask.lines);
      while (this.#written < until) this.#write();
      if (this.#written < from + ask.lines) systemClock.after(stepMs, step);
      else this.#tell({ kind: 'written', lines: this.#written });
    };
    step();
  }

  #watch(before: NodeJS.CpuUsage): void {
    systemClock.after(1, () => {
      const { user, system } = process.threadCpuUsage(before);
      this.#stretches.push((user + system) / 1_000);
      this.#watch(process.threadCpuUsage());
    });
  }

  #write(): void {
    const time = { seconds: 1 + Math.floor(this.#written / 1e6), nanos: this.#written % 1e6 };
    const data = Buffer.from(`${this.#written} ${text}\n`);
    const where = {
      taskId: this.#taskId,
      nodeId: this.#nodeId,
      stream: 1,
      attributes: '',
    } as const;
    this.#nodes.write({ ...where, time, data });
    this.#written += 1;
  }

  #tell(answer: HostAnswer): void {
    process.send?.(answer);
  }
}

const host = new LogHost();
process.on('message', (ask: HostAsk) => host.asked(ask));
process.on('disconnect', () => process.exit(0));
await host.start();
