import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { type HostNetworkChange, hostNetworksSocket } from '@shoal/overlay';
import { HostNetworksService, type HostNetworkUpdate, type Served } from '@shoal/proto';

/** The agent's side of the local stream: tells what the test says, keeps what it hears. */
export class FakeAgent {
  readonly #server: Server;
  readonly heard: Served[] = [];
  #streams = new Set<ServerDuplexStream<Served, HostNetworkUpdate>>();
  #version = 0;
  #first: readonly HostNetworkChange[];

  private constructor(first: readonly HostNetworkChange[]) {
    this.#first = first;
    this.#server = new Server();
    this.#server.addService(HostNetworksService, {
      follow: (stream: ServerDuplexStream<Served, HostNetworkUpdate>) => this.#follow(stream),
      attach: () => undefined,
    });
  }

  static async start(dataDir: string, first: readonly HostNetworkChange[]): Promise<FakeAgent> {
    const agent = new FakeAgent(first);
    const socket = hostNetworksSocket(dataDir);
    mkdirSync(dirname(socket), { recursive: true });
    rmSync(socket, { force: true });
    const credentials = ServerCredentials.createInsecure();
    await new Promise<void>((resolve, reject) => {
      agent.#server.bindAsync(`unix://${socket}`, credentials, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return agent;
  }

  get version(): number {
    return this.#version;
  }

  tell(changes: readonly HostNetworkChange[], complete = false): void {
    this.#version += 1;
    for (const stream of this.#streams) this.#write(stream, changes, complete);
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #follow(stream: ServerDuplexStream<Served, HostNetworkUpdate>): void {
    this.#streams.add(stream);
    stream.on('data', (served: Served) => this.heard.push(served));
    stream.on('error', () => this.#streams.delete(stream));
    stream.on('end', () => stream.end());
    stream.on('close', () => this.#streams.delete(stream));
    this.#version += 1;
    this.#write(stream, this.#first, true);
  }

  #write(
    stream: ServerDuplexStream<Served, HostNetworkUpdate>,
    changes: readonly HostNetworkChange[],
    complete: boolean,
  ): void {
    const version = this.#version;
    stream.write({
      version,
      complete,
      changes: changes.map((each) => Buffer.from(JSON.stringify(each))),
    });
  }
}
