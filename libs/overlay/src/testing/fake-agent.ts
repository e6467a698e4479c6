import { rm } from 'node:fs/promises';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { HostNetworksService, type HostNetworkUpdate, type Served } from '@shoal/proto';
import type { HostNetworkChange } from '../networks.ts';

type Call = ServerDuplexStream<Served, HostNetworkUpdate>;

/** An agent that tells what the test says, on a real unix socket. */
export class FakeAgent {
  readonly path: string;
  readonly served: Served[] = [];
  streams = 0;
  #server: Server | undefined;
  #call: Call | undefined;
  #version = 0;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<void> {
    await rm(this.path, { force: true });
    const server = new Server();
    server.addService(HostNetworksService, { follow: (call: Call) => this.#follow(call) });
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix://${this.path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      ),
    );
    this.#server = server;
  }

  /** As a process that is killed. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#call = undefined;
  }

  tell(changes: readonly HostNetworkChange[], complete = false): number {
    return this.tellAnything(changes, complete);
  }

  /** Also what no agent of this version says. */
  tellAnything(said: readonly unknown[], complete = false): number {
    this.#version += 1;
    const changes = said.map((each) => Buffer.from(JSON.stringify(each)));
    this.#call?.write({ version: this.#version, complete, changes });
    return this.#version;
  }

  #follow(call: Call): void {
    this.streams += 1;
    this.#version = 0;
    this.#call = call;
    call.on('error', () => undefined);
    call.on('end', () => call.end());
    call.on('data', (served: Served) => this.served.push(served));
  }
}
