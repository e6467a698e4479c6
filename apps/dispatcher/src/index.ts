export type { OpenRegistryAuth } from './core/assignments.ts';
export { Dispatcher, type DispatcherOptions, type Registration } from './core/dispatcher.ts';
export type { LogSubscriber, PublishedLogs } from './core/log-relay.ts';
export { type DispatcherMetrics, noMetrics } from './core/metrics.ts';
export type { AgentLink, Refusal, Session } from './core/session.ts';
export { SessionCall, serveDispatcher } from './server/server.ts';
