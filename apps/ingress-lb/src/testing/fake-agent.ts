import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { type HostNetworkChange, hostNetworksSocket } from '@shoal/overlay';
import { HostNetworksService, type HostNetworkUpdate, type Served } from '@shoal/proto';

type Stream = ServerDuplexStream<Served, HostNetworkUpdate>;

/** The agent's side of the local stream: tells everything to whoever comes, and keeps what it hears. */
export class FakeAgent {
  readonly #server = new Server();
  readonly #streams = new Set<Stream>();
  #changes: readonly HostNetworkChange[];
  #version = 0;
  #waiting: (() => void)[] = [];
  #heard: Served | undefined;

  constructor(changes: readonly HostNetworkChange[]) {
    this.#changes = changes;
    this.#server.addService(HostNetworksService, {
      follow: (stream: Stream) => this.#follow(stream),
      attach: () => undefined,
    });
  }

  async listen(dataDir: string): Promise<void> {
    const socket = hostNetworksSocket(dataDir);
    mkdirSync(dirname(socket), { recursive: true });
    const credentials = ServerCredentials.createInsecure();
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix://${socket}`, credentials, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  /** From now on these networks and no others; resolves when they are served. */
  tell(changes: readonly HostNetworkChange[]): Promise<Served> {
    this.#changes = changes;
    for (const stream of this.#streams) this.#write(stream);
    return this.served();
  }

  /** What was said to be served of the newest version. */
  async served(): Promise<Served> {
    while (this.#heard === undefined || this.#heard.version < this.#version) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#heard;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #follow(stream: Stream): void {
    this.#streams.add(stream);
    stream.on('data', (served: Served) => {
      if (served.version === 0) return;
      this.#heard = served;
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
    stream.on('error', () => this.#streams.delete(stream));
    stream.on('end', () => stream.end());
    this.#write(stream);
  }

  #write(stream: Stream): void {
    this.#version += 1;
    this.#heard = undefined;
    const changes = this.#changes.map((change) => Buffer.from(JSON.stringify(change)));
    stream.write({ version: this.#version, complete: true, changes });
  }
}
