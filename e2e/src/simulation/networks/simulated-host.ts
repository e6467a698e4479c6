import type { DispatcherClient } from '@shoal/proto';
import type { Clock, HostPort, Logger } from '@shoal/runtime';
import { type GossipWire, type SeededRandom, SimulatedProcess } from '@shoal/sim';
import type { NodeDescription } from '@shoal/state';
import { FakeConsumer } from './fake-consumer.ts';
import { FakeDisk } from './fake-disk.ts';
import { FakeEngine } from './fake-engine.ts';
import { FakeKernel } from './fake-overlay.ts';
import { GossipSocket } from './gossip-socket.ts';
import { SimulatedAgent } from './simulated-agent.ts';

export interface SimulatedHostOptions {
  readonly number: number;
  readonly nodeId: string;
  readonly addr: HostPort;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly wire: GossipWire;
  readonly logger: Logger;
  readonly pulse: (addr: HostPort) => boolean;
  /** Opens the way of an agent's process to some dispatcher. */
  readonly dispatcher: (agent: SimulatedProcess) => DispatcherClient | undefined;
}

/** A machine with its engine, its kernel's networks, its resolver and balancer, and an agent that may be away. */
export class SimulatedHost {
  readonly nodeId: string;
  readonly addr: HostPort;
  readonly consumers: readonly FakeConsumer[];
  readonly kernel = new FakeKernel();
  readonly engine: FakeEngine;
  readonly socket: GossipSocket;
  /** Of the machine; its agent may be away all the same. */
  hasPower = true;
  readonly #options: SimulatedHostOptions;
  readonly #disk = new FakeDisk();
  readonly #description: NodeDescription;
  #process: SimulatedProcess | undefined;
  #agent: SimulatedAgent | undefined;

  constructor(options: SimulatedHostOptions) {
    const { nodeId, addr, clock, random, wire, number } = options;
    this.#options = options;
    this.nodeId = nodeId;
    this.addr = addr;
    this.#description = {
      Hostname: `host-${number}`,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 4e9, MemoryBytes: 4e9 },
      Engine: { EngineVersion: 'fake', Plugins: [{ Type: 'Network', Name: 'overlay' }] },
    };
    this.engine = new FakeEngine(clock, random.fork(), this.#description);
    this.socket = new GossipSocket(addr);
    wire.connect(nodeId, this.socket);
    this.consumers = (['dns', 'ingress-lb'] as const).map(
      (name) => new FakeConsumer(name, clock, random.fork()),
    );
    for (const consumer of this.consumers)
      consumer.start(() => (this.#process?.alive === true ? this.#agent?.feed : undefined));
  }

  get agentName(): string {
    return `agent-${this.#options.number}`;
  }

  get hasSession(): boolean {
    return this.#process?.alive === true && this.#agent?.hasSession === true;
  }

  start(): void {
    if (this.#process?.alive === true) return;
    this.hasPower = true;
    const { nodeId, addr, clock, random, wire, pulse, dispatcher, logger } = this.#options;
    const process = new SimulatedProcess(this.agentName, clock, random.fork());
    this.#process = process;
    this.#agent = new SimulatedAgent({
      ...{ nodeId, addr, process, wire, pulse, logger },
      engine: this.engine,
      kernel: this.kernel,
      disk: this.#disk,
      socket: this.socket,
      description: this.#description,
      dispatcher: () => dispatcher(process),
    });
  }

  /** kill -9 of the agent alone: containers run, resolver and balancer serve what they know. */
  crashAgent(): boolean {
    if (this.#process?.alive !== true) return false;
    this.#agent?.kill();
    for (const consumer of this.consumers) consumer.agentGone();
    return true;
  }

  losePower(): void {
    this.crashAgent();
    this.hasPower = false;
    this.engine.losePower();
    this.kernel.reboot();
    for (const consumer of this.consumers) consumer.crash();
  }

  crashConsumer(which: number): void {
    this.consumers[which % this.consumers.length]?.crash();
  }

  breakStreams(): void {
    this.#process?.breakStreams();
  }
}
