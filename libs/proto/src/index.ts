export { encoded } from './encoding.ts';
export * from './gen/shoal/v1/ca.ts';
export * from './gen/shoal/v1/dispatcher.ts';
export * from './gen/shoal/v1/entry.ts';
export * from './gen/shoal/v1/explain.ts';
export * from './gen/shoal/v1/gossip.ts';
export * from './gen/shoal/v1/host.ts';
export * from './gen/shoal/v1/log.ts';
