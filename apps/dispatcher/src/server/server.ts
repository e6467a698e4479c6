import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  Server,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import { type CertificateSource, type NodeServer, requireRole, serveNodes } from '@shoal/pki';
import {
  type AgentMessage,
  type DispatcherMessage,
  DispatcherService,
  type LogLines,
  type LogSubscription,
  type PublishLogsResponse,
} from '@shoal/proto';
import { type HostPort, type Logger, statusOf, systemClock } from '@shoal/runtime';
import type { Dispatcher } from '../core/dispatcher.ts';
import { connectionLimits } from '../core/limits.ts';
import type { LogSubscriber, PublishedLogs } from '../core/log-relay.ts';
import type { AgentLink, Refusal, Session } from '../core/session.ts';
import { documentsHandler } from './document-calls.ts';
import { imageHandlers } from './image-calls.ts';
import { networkHandlers } from './network-calls.ts';

/** Messages of an agent that may wait while its registration is under way. */
const earlyMessagesMax = 64;
const keepaliveMs = 10_000;

export interface ServeOptions {
  readonly listen: HostPort;
  /** What proves this manager, and whom it trusts. */
  readonly source: CertificateSource;
  readonly clusterId: string;
  readonly dispatcher: Dispatcher;
  /** Where other hosts reach this one, without port: what an agent's address is that comes over loopback. */
  readonly ownAddress?: string;
  readonly logger: Logger;
}

/**
 * Serves the sessions of agents and the relay of logs.
 * @throws when the address cannot be listened on.
 */
export async function serveDispatcher(options: ServeOptions): Promise<NodeServer> {
  const server = new Server({
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.keepalive_permit_without_calls': 1,
  });
  server.addService(DispatcherService, {
    session: sessionHandler(options),
    publishLogs: publishHandler(options),
    subscribeLogs: subscribeHandler(options),
    ...networkHandlers(options),
    taskDocuments: documentsHandler(options),
    ...imageHandlers(options),
  });
  const { listen: address, source, clusterId } = options;
  return serveNodes(server, {
    address,
    source,
    clusterId,
    limits: connectionLimits,
    clock: systemClock,
  });
}

const grpcCode: Readonly<Record<Refusal['kind'], number>> = {
  invalid: statusOf.invalid.grpc,
  'not-found': statusOf['not-found'].grpc,
  conflict: statusOf.conflict.grpc,
  exhausted: statusOf.unavailable.grpc,
  unavailable: statusOf.unavailable.grpc,
  replaced: status.ABORTED,
};

function errorOf({ kind, message }: Refusal): Error & { code: number; details: string } {
  return Object.assign(new Error(message), { code: grpcCode[kind], details: message });
}

function notFound(nodeId: string): Error {
  return errorOf({ kind: 'not-found', message: `node ${nodeId} not found` });
}

function sessionHandler(
  options: ServeOptions,
): handleBidiStreamingCall<AgentMessage, DispatcherMessage> {
  return (call) => {
    const allowed = requireRole(call, options.clusterId, 'worker', 'manager');
    call.on('error', () => undefined);
    if (allowed.kind === 'refused') {
      options.logger.warn({ peer: call.getPeer() }, 'session_forbidden');
      call.emit('error', allowed.error);
      return;
    }
    const { dispatcher, ownAddress } = options;
    const seen = hostOf(call.getPeer());
    const addr = isLoopback(seen) ? (ownAddress ?? seen) : seen;
    new SessionCall(dispatcher, call, allowed.peer.nodeId, addr);
  };
}

/** The wire side of one session: keeps the order of messages around the registration. */
export class SessionCall {
  readonly #dispatcher: Dispatcher;
  readonly #call: ServerDuplexStream<AgentMessage, DispatcherMessage>;
  readonly #nodeId: string;
  readonly #addr: string;
  #early: AgentMessage[] = [];
  #registering = false;
  #session: Session | undefined;
  #over = false;

  constructor(
    dispatcher: Dispatcher,
    call: ServerDuplexStream<AgentMessage, DispatcherMessage>,
    nodeId: string,
    addr: string,
  ) {
    this.#dispatcher = dispatcher;
    this.#call = call;
    this.#nodeId = nodeId;
    this.#addr = addr;
    call.on('data', (message: AgentMessage) => this.#received(message));
    call.on('drain', () => {
      if (this.#session !== undefined) dispatcher.drained(this.#session);
    });
    call.on('end', () => {
      this.#ended();
      call.end();
    });
    for (const event of ['error', 'cancelled', 'close']) call.on(event, () => this.#ended());
  }

  #received(message: AgentMessage): void {
    if (this.#session !== undefined) {
      this.#dispatcher.receive(this.#session, message);
      return;
    }
    if (this.#registering) {
      if (this.#early.length >= earlyMessagesMax) {
        this.#refuse('exhausted', 'too early');
        return;
      }
      this.#early.push(message);
      return;
    }
    if (message.body?.$case !== 'register') {
      this.#refuse('invalid', 'a session begins with its registration');
      return;
    }
    this.#registering = true;
    void this.#register(message.body.value);
  }

  async #register(message: (AgentMessage['body'] & { $case: 'register' })['value']): Promise<void> {
    const link: AgentLink = {
      send: (sent) => this.#over || this.#call.write(sent),
      close: (reason) => this.#fail(reason),
    };
    const outcome = await this.#dispatcher.register(this.#nodeId, this.#addr, message, link);
    if (outcome.kind === 'refused') return this.#fail(outcome.refusal);
    this.#session = outcome.session;
    if (this.#over) return this.#dispatcher.closed(outcome.session);
    for (const early of this.#early) this.#dispatcher.receive(outcome.session, early);
    this.#early = [];
  }

  #refuse(kind: Refusal['kind'], message: string): void {
    this.#fail({ kind, message });
  }

  #fail(reason: Refusal): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.emit('error', errorOf(reason));
  }

  #ended(): void {
    const first = !this.#over;
    this.#over = true;
    if (this.#session !== undefined && (first || !this.#session.closed)) {
      this.#dispatcher.closed(this.#session);
    }
  }
}

function publishHandler(
  options: ServeOptions,
): handleClientStreamingCall<LogLines, PublishLogsResponse> {
  return (call, callback) => {
    const allowed = requireRole(call, options.clusterId, 'worker', 'manager');
    if (allowed.kind === 'refused') {
      call.on('error', () => undefined);
      callback(allowed.error);
      return;
    }
    const { nodeId } = allowed.peer;
    const { dispatcher } = options;
    if (!dispatcher.knows(nodeId)) {
      call.on('error', () => undefined);
      callback(notFound(nodeId));
      return;
    }
    let over = false;
    const finish = (error: Error | null): void => {
      if (over) return;
      over = true;
      callback(error, {});
    };
    const publisher: PublishedLogs = {
      pause: () => call.pause(),
      resume: () => call.resume(),
      cancel: () => finish(errorOf({ kind: 'not-found', message: 'unknown subscription ID' })),
    };
    call.on('data', (lines: LogLines) => {
      if (!over && !dispatcher.publishLogs(nodeId, lines, publisher)) publisher.cancel();
    });
    call.on('end', () => {
      dispatcher.publisherEnded(nodeId, publisher, false);
      finish(null);
    });
    for (const event of ['error', 'cancelled']) {
      call.on(event, () => dispatcher.publisherEnded(nodeId, publisher, true));
    }
  };
}

function subscribeHandler(
  options: ServeOptions,
): handleServerStreamingCall<LogSubscription, LogLines> {
  return (call) => {
    const allowed = requireRole(call, options.clusterId, 'manager');
    call.on('error', () => undefined);
    if (allowed.kind === 'refused') {
      call.emit('error', allowed.error);
      return;
    }
    const { dispatcher } = options;
    if (!dispatcher.knowsManager(allowed.peer.nodeId)) {
      call.emit('error', notFound(allowed.peer.nodeId));
      return;
    }
    let over = false;
    const subscriber: LogSubscriber = {
      send: (lines) => over || call.write(lines),
      end: () => {
        if (over) return;
        over = true;
        call.end();
      },
    };
    for (const event of ['cancelled', 'close', 'error']) {
      call.on(event, () => {
        over = true;
        dispatcher.unsubscribeLogs(subscriber);
      });
    }
    call.on('drain', () => dispatcher.subscriberDrained(subscriber));
    dispatcher.subscribeLogs(call.request, subscriber);
  };
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}

/** `1.2.3.4:5`, `ipv4:1.2.3.4:5` or `[::1]:5` without port. */
function hostOf(peer: string): string {
  const text = peer.replace(/^ipv[46]:/, '');
  const at = text.lastIndexOf(':');
  const host = (at < 0 ? text : text.slice(0, at)).replace(/^\[|\]$/g, '');
  return host.replace(/^::ffff:(?=\d+\.)/, '');
}
