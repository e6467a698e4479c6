import { type ChannelCredentials, type ClientDuplexStream, connectivityState } from '@grpc/grpc-js';
import { decodeNodeNetwork, type NodeNetwork } from '@shoal/overlay';
import { channelOptions } from '@shoal/pki';
import {
  type AgentMessage,
  type Assignments,
  DispatcherClient,
  type DispatcherMessage,
  type LogSubscription,
  type NetworkDigests,
  type PathCheck,
  type PathResults,
  type SwarmView,
} from '@shoal/proto';
import { assertNever, type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import {
  type Decoded,
  decodeAll,
  decodeAssignment,
  decodeEndpointRecord,
  decodeOwnNode,
  type EndpointRecord,
  type NodeDescription,
  type OwnNode,
  type TaskAssignment,
} from '@shoal/state';
import { holdMsMax, type Reporter } from './reporter.ts';

/** Time for the dispatcher to take the connection, to answer a registration, and to answer a heartbeat; milliseconds. */
const answerMsMax = { connection: 2_000, registration: 10_000, heartbeat: 4_000 } as const;

/** Longest message of a dispatcher, bytes: all records of a network come in one. */
const messageBytesMax = 64 * 1024 * 1024;

export interface SessionEvents {
  registered(sessionId: string, client: DispatcherClient, heartbeatMs: number): void;
  swarm(view: SwarmView, node: OwnNode): void;
  assigned(
    complete: boolean,
    assignments: readonly TaskAssignment[],
    removed: readonly string[],
  ): void;
  networks(networks: readonly NodeNetwork[]): void;
  networkRecords(networkId: string, records: readonly EndpointRecord[]): void;
  pathsWanted(check: PathCheck): void;
  logsWanted(client: DispatcherClient, subscription: LogSubscription): void;
  logsCancelled(id: string): void;
  /** Called once. `unreadable`: the dispatcher says what this version cannot read, and will say it again. */
  ended(reason: string, unreadable: boolean): void;
}

/** What speaks with the dispatcher at `address`; of one session alone, so that both end together. */
export function dispatcherClient(
  address: string,
  credentials: ChannelCredentials,
): DispatcherClient {
  return new DispatcherClient(address, credentials, {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': messageBytesMax,
  });
}

export interface SessionOptions {
  /** Closed when the session ends. */
  readonly client: DispatcherClient;
  readonly previousSession: string;
  readonly description: NodeDescription;
  readonly version: string;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: SessionEvents;
}

/** One session with one dispatcher, from registration to its end. */
export class Session {
  readonly #options: SessionOptions;
  readonly #client: DispatcherClient;
  readonly #call: ClientDuplexStream<AgentMessage, DispatcherMessage>;
  /** The newest. */
  #description: NodeDescription;
  #registered = false;
  #assignments = 0;
  #heartbeat: Timer | undefined;
  #answer: Timer | undefined;
  #connecting: Timer | undefined;
  #held: Timer | undefined;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { client, reporter, description, version } = options;
    this.#description = description;
    reporter.restart();
    this.#client = client;
    this.#call = this.#client.session();
    this.#call.on('data', (message: DispatcherMessage) => this.#received(message));
    this.#call.on('error', (error) => this.end(errorMessage(error)));
    this.#call.on('end', () => this.end('the dispatcher ended the session'));
    this.#write({
      $case: 'register',
      value: {
        previousSession: options.previousSession,
        description: Buffer.from(JSON.stringify(description)),
        agentVersion: version,
      },
    });
    this.#awaitAnswer(answerMsMax.registration);
    this.#connecting = options.clock.after(answerMsMax.connection, () => {
      const state = this.#client.getChannel().getConnectivityState(false);
      if (state !== connectivityState.READY) this.end('the dispatcher cannot be reached');
    });
  }

  /** Sends what the reporter has to say now, and what it holds a little later. */
  report(): void {
    if (!this.#registered || this.#over) return;
    const { reporter, clock } = this.#options;
    for (let message = reporter.next(); message !== undefined; message = reporter.next()) {
      this.#write({ $case: 'statuses', value: message });
    }
    if (!reporter.holds) return;
    this.#held ??= clock.after(holdMsMax, () => {
      this.#held = undefined;
      reporter.release();
      this.report();
    });
  }

  /** Before the registration is answered it waits for that. */
  describe(description: NodeDescription): void {
    this.#description = description;
    if (!this.#registered || this.#over) return;
    this.#write({ $case: 'description', value: Buffer.from(JSON.stringify(description)) });
  }

  /** What the host serves in its networks. */
  digests(digests: NetworkDigests): void {
    if (!this.#registered || this.#over) return;
    this.#write({ $case: 'networkDigests', value: digests });
  }

  paths(results: PathResults): void {
    if (!this.#registered || this.#over) return;
    this.#write({ $case: 'pathResults', value: results });
  }

  end(reason: string, unreadable = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#heartbeat?.cancel();
    this.#answer?.cancel();
    this.#connecting?.cancel();
    this.#held?.cancel();
    this.#call.end();
    this.#call.cancel();
    this.#client.close();
    this.#options.events.ended(reason, unreadable);
  }

  #write(body: NonNullable<AgentMessage['body']>): void {
    this.#call.write({ body });
  }

  #received({ body }: DispatcherMessage): void {
    if (this.#over || body === undefined) return;
    const { events, reporter, description } = this.#options;
    switch (body.$case) {
      case 'registered':
        this.#registered = true;
        this.#beatIn(body.value.heartbeatMs);
        events.registered(body.value.sessionId, this.#client, body.value.heartbeatMs);
        if (this.#description !== description) this.describe(this.#description);
        if (body.value.swarm !== undefined) this.#swarm(body.value.swarm);
        this.report();
        return;
      case 'heartbeat':
        this.#beatIn(body.value.heartbeatMs);
        return;
      case 'assignments':
        this.#assigned(body.value);
        return;
      case 'statuses':
        reporter.acknowledged(body.value.sequence);
        this.report();
        return;
      case 'logSubscription':
        events.logsWanted(this.#client, body.value);
        return;
      case 'logCancel':
        events.logsCancelled(body.value.id);
        return;
      case 'swarm':
        this.#swarm(body.value);
        return;
      case 'networks':
        this.#take(decodeAll(body.value.networks, decodeNodeNetwork), (networks) =>
          events.networks(networks),
        );
        return;
      case 'networkRecords': {
        const { networkId, records } = body.value;
        this.#take(decodeAll(records, decodeEndpointRecord), (read) =>
          events.networkRecords(networkId, read),
        );
        return;
      }
      case 'pathCheck':
        events.pathsWanted(body.value);
        return;
      default:
        assertNever(body);
        return;
    }
  }

  #assigned({ complete, appliesTo, resultsIn, assignments, removed }: Assignments): void {
    if (!complete && appliesTo !== this.#assignments) {
      this.end(`assignments are missing: after ${this.#assignments} came ${resultsIn}`);
      return;
    }
    this.#assignments = resultsIn;
    const told = assignments.map(({ task }) => task);
    this.#take(decodeAll(told, decodeAssignment), (tasks) =>
      this.#options.events.assigned(complete, tasks, removed),
    );
  }

  #swarm(view: SwarmView): void {
    this.#take(decodeOwnNode(view.node), (node) => this.#options.events.swarm(view, node));
  }

  /** Goes on with what was read. To leave out what could not be would put this host behind unseen. */
  #take<T>(decoded: Decoded<T>, goOn: (value: T) => void): void {
    if (decoded.kind === 'ok') goOn(decoded.value);
    else this.end(`a message of the dispatcher cannot be read: ${decoded.message}`, true);
  }

  #beatIn(ms: number): void {
    this.#answer?.cancel();
    this.#heartbeat?.cancel();
    this.#heartbeat = this.#options.clock.after(ms, () => {
      this.#write({ $case: 'heartbeat', value: {} });
      this.#awaitAnswer(answerMsMax.heartbeat);
    });
  }

  #awaitAnswer(withinMs: number): void {
    this.#answer?.cancel();
    this.#answer = this.#options.clock.after(withinMs, () =>
      this.end('the dispatcher does not answer'),
    );
  }
}
