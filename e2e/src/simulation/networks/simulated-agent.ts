import {
  agentMetrics,
  gossipMetrics,
  HostFeed,
  HostGossip,
  HostNetworking,
  networkMetrics,
  Reporter,
  Session,
  TaskFiles,
  Worker,
} from '@shoal/agent';
import type { DispatcherClient } from '@shoal/proto';
import type { HostPort, Logger } from '@shoal/runtime';
import type { GossipWire, SimulatedProcess } from '@shoal/sim';
import type { NodeDescription } from '@shoal/state';
import { Registry } from 'prom-client';
import type { FakeDisk } from './fake-disk.ts';
import type { FakeEngine } from './fake-engine.ts';
import { type FakeKernel, FakeOverlay } from './fake-overlay.ts';
import type { GossipSocket } from './gossip-socket.ts';

/** As in the product: the pause between sessions, doubled from the first up to the longest, milliseconds. */
const backoffMs = { first: 100, most: 8_000 } as const;

export interface SimulatedAgentOptions {
  readonly nodeId: string;
  readonly addr: HostPort;
  readonly process: SimulatedProcess;
  readonly engine: FakeEngine;
  readonly kernel: FakeKernel;
  readonly disk: FakeDisk;
  readonly wire: GossipWire;
  readonly socket: GossipSocket;
  readonly description: NodeDescription;
  /** Whether the machine at the address is there and can be reached. */
  readonly pulse: (addr: HostPort) => boolean;
  /** A dispatcher to try; undefined while none runs. */
  readonly dispatcher: () => DispatcherClient | undefined;
  readonly logger: Logger;
}

/** One life of an agent: the product's own parts, wired as the product wires them. */
export class SimulatedAgent {
  readonly feed = new HostFeed();
  readonly #options: SimulatedAgentOptions;
  readonly #reporter = new Reporter();
  #networking: HostNetworking | undefined;
  #worker: Worker | undefined;
  #session: Session | undefined;
  #sessionId = '';
  #failures = 0;
  #reportDue = false;

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
    void this.#start();
  }

  /** Why it is not doing anything, for people who look for what went wrong. */
  get hasSession(): boolean {
    return this.#sessionId !== '' && this.#session !== undefined;
  }

  /** Its process ends without a word. */
  kill(): void {
    const { process, socket } = this.#options;
    process.kill();
    socket.cut();
  }

  async #start(): Promise<void> {
    const { nodeId, addr, process, engine, kernel, disk, wire, socket, logger } = this.#options;
    const { clock, random } = process;
    const life = { clock, alive: () => process.alive };
    const registry = new Registry();
    const overlay = new FakeOverlay(kernel, process);
    const gossip = new HostGossip({
      nodeId,
      advertise: addr,
      clock,
      random,
      logger,
      metrics: gossipMetrics(registry),
      network: (end) => socket.plug(end, wire.transport(nodeId), life.alive),
    });
    const networking = await HostNetworking.begin({
      nodeId,
      overlay,
      gossip,
      feed: this.feed,
      memory: disk.memory(life),
      keys: disk.keys(life),
      probes: {
        pulse: (to, timeoutMs) => this.#pulse(to, timeoutMs),
        tcp: async () => ({ kind: 'ok' }),
        tunnels: async () => new Map(),
      },
      connections: async () => 0,
      gossipPort: addr.port,
      clock,
      logger,
      metrics: networkMetrics(registry),
    });
    if (!process.alive) return;
    this.#networking = networking;
    this.#worker = new Worker({
      nodeId,
      engine: engine.for(process),
      store: disk.statuses(life),
      networking,
      files: new TaskFiles({
        folder: async () => ({ kind: 'none', message: 'no memory' }),
        fetch: async () => [],
      }),
      node: () => this.#options.description,
      clock,
      logger,
      metrics: agentMetrics(registry),
      onStatus: (taskId, status, isPassing) => {
        this.#reporter.put(taskId, status, isPassing);
        this.#report();
      },
    });
    this.#open();
  }

  /** What comes back comes at once; silence takes its time. */
  #pulse(addr: HostPort, timeoutMs: number): Promise<boolean> {
    if (this.#options.pulse(addr)) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#options.process.clock.after(timeoutMs, () => resolve(false));
    });
  }

  #report(): void {
    if (this.#reportDue) return;
    this.#reportDue = true;
    queueMicrotask(() => {
      this.#reportDue = false;
      this.#session?.report();
    });
  }

  #open(): void {
    const { process, dispatcher, description, logger } = this.#options;
    const networking = this.#networking;
    const client = dispatcher();
    if (!process.alive || networking === undefined) return;
    if (client === undefined) {
      this.#openLater();
      return;
    }
    this.#session = new Session({
      client,
      previousSession: this.#sessionId,
      description,
      version: 'simulated',
      reporter: this.#reporter,
      clock: process.clock,
      logger,
      events: {
        registered: (sessionId) => {
          this.#sessionId = sessionId;
          this.#failures = 0;
          networking.digests.onReport((report) => this.#session?.digests(report));
          this.#session?.digests(networking.digests.now());
        },
        swarm: (view, node) => networking.swarm(view, node),
        assigned: (complete, assignments, removed) => {
          if (complete) this.#worker?.assignAll(assignments);
          else this.#worker?.assign(assignments, removed);
        },
        networks: (networks) => networking.wanted(networks),
        networkRecords: (networkId, records) => void networking.told(networkId, records),
        pathsWanted: () => undefined,
        logsWanted: () => undefined,
        logsCancelled: () => undefined,
        ended: () => {
          this.#session = undefined;
          this.#openLater();
        },
      },
    });
  }

  #openLater(): void {
    const { clock, random } = this.#options.process;
    const ceilingMs = Math.min(backoffMs.first * 2 ** Math.min(this.#failures, 10), backoffMs.most);
    this.#failures += 1;
    clock.after(ceilingMs * (0.5 + 0.5 * random.next()), () => this.#open());
  }
}
